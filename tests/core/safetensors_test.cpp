// The safetensors format: round trips, atomic writing, and what is refused when written.
#include "core/safetensors.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <iterator>

#include "core/check.h"
#include "core/safetensors_support.h"
#include "support/matchers.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;
using safetensors::Dtype;
using safetensors::File;
using safetensors::TensorView;

namespace {

size_t entries(const fs::path& folder) { return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator())); }

}  // namespace

TEST_CASE("safetensors keeps every dtype, scalars and empty tensors") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "all.safetensors";
  std::string data(4096, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 37 + 11);
  std::vector<TensorView> tensors;
  for (const Dtype dtype : {Dtype::kBool, Dtype::kU8, Dtype::kI8, Dtype::kI16, Dtype::kU16, Dtype::kI32, Dtype::kU32, Dtype::kI64, Dtype::kU64,
                            Dtype::kF16, Dtype::kBF16, Dtype::kF32, Dtype::kF64}) {
    const std::string name(safetensors::name_of(dtype));
    const size_t size = safetensors::size_of(dtype);
    tensors.push_back({name + ".matrix", dtype, {3, 5}, bytes_of(data).subspan(tensors.size(), 15 * size)});
    tensors.push_back({name + ".scalar", dtype, {}, bytes_of(data).subspan(tensors.size(), size)});
    tensors.push_back({name + ".empty", dtype, {4, 0, 2}, {}});
  }
  tensors.push_back({"odd \"name\"\n\\ \xC3\xA9", Dtype::kU8, {1, 1, 1, 1, 1, 1}, bytes_of(data).first(1)});
  const std::map<std::string, std::string> metadata = {{"format", "liere-1"}, {"text", "line\nline \"quoted\" \xE2\x82\xAC"}, {"", ""}};
  safetensors::write(path, tensors, metadata);

  const File file = File::open(path);
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == tensors.size());
  for (const TensorView& tensor : tensors) {
    INFO(tensor.name);
    REQUIRE(file.contains(tensor.name));
    CHECK(file.info(tensor.name).dtype == tensor.dtype);
    CHECK(file.info(tensor.name).shape == tensor.shape);
    CHECK(std::ranges::equal(file.data(tensor.name), tensor.data));
  }
  const std::string header = safetensors::header(tensors, metadata);
  CHECK(header.size() % 8 == 0);
  CHECK(std::ranges::equal(file.header_bytes(), bytes_of(header)));
  CHECK_FALSE(file.contains("none"));
  CHECK_THROWS_WITH(file.info("none"), has("no tensor 'none'"));
  check_structure(file, get(path).size());
}

TEST_CASE("a safetensors file without tensors or without metadata is valid") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "few.safetensors";
  safetensors::write(path, std::vector<TensorView>{}, std::map<std::string, std::string>{});
  CHECK(File::open(path).tensors().empty());
  put(path, file_of("{}"));
  CHECK(File::open(path).tensors().empty());
  put(path, file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}  }    )", 4));
  CHECK(File::open(path).data("a").size() == 4);
}

TEST_CASE("what is no readable file is refused with the system's reason") {
  const test::TemporaryFolder folder;
  CHECK_THAT(refusal(folder.path() / "absent"), has("No such file"));
  CHECK_THAT(refusal(folder.path()), has("not a regular file"));
  const auto fifo = folder.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK_THAT(refusal(fifo), has("not a regular file"));
}

TEST_CASE("a safetensors file is replaced whole or not at all") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "step.safetensors";
  safetensors::write(path, small_tensors(), {{"step", "1"}});
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0644);
  const std::string old = get(path);

  const File mapped = File::open(path);  // a file may be replaced while it is mapped
  safetensors::write(path, {small_tensors()[1]}, {{"step", "2"}});
  CHECK(mapped.metadata().at("step") == "1");
  CHECK(std::ranges::equal(mapped.data("w"), bytes_of(kSmallData).first(16)));
  CHECK(File::open(path).metadata().at("step") == "2");
  CHECK(entries(folder.path()) == 1);

  CHECK_THROWS_WITH(safetensors::write(folder.path() / "absent" / "x", small_tensors(), std::map<std::string, std::string>{}),
                    has("absent/x could not be written: No such file"));
  fs::create_directories(folder.path() / "taken" / "inside");
  CHECK_THROWS_WITH(safetensors::write(folder.path() / "taken", small_tensors(), std::map<std::string, std::string>{}), has("could not be written"));
  CHECK(entries(folder.path()) == 2);
}

TEST_CASE("a full disk leaves the old safetensors file and no temporary") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "step.safetensors";
  safetensors::write(path, small_tensors(), {{"step", "1"}});
  const std::string old = get(path), large(1 << 20, 'x');
  // The file size limit stands in for the full disk: write() first comes back short, then fails.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{100000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::string message;
  try {
    safetensors::write(path, {{"large", Dtype::kU8, {1 << 20}, bytes_of(large)}}, std::map<std::string, std::string>{});
  } catch (const CheckpointError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, has(path.string()) && has("File too large") && has("unchanged"));
  CHECK(get(path) == old);
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a folder that cannot be written to is reported") {
  // /proc refuses new files to everybody, root included.
  CHECK_THROWS_WITH(safetensors::write("/proc/liere.safetensors", small_tensors(), std::map<std::string, std::string>{}),
                    has("/proc/liere.safetensors could not be written"));
}

TEST_CASE("safetensors refuses to write what it would not read") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "bad.safetensors";
  const auto data = bytes_of(kSmallData);
  const std::map<std::string, std::string> none;
  CHECK_THROWS_AS(safetensors::write(path, {{"a", Dtype::kF32, {3}, data.first(8)}}, none), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, {{"a", Dtype::kU8, {-1}, {}}}, none), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, {{"a", Dtype::kU8, {4}, data.first(4)}, {"a", Dtype::kU8, {4}, data.first(4)}}, none), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, {{"__metadata__", Dtype::kU8, {4}, data.first(4)}}, none), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, {{"\xFF", Dtype::kU8, {4}, data.first(4)}}, none), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, small_tensors(), {{"key", "\xFF"}}), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, small_tensors(), {{"key", std::string(17 << 20, 'x')}}), CheckpointError);
  const std::string header = safetensors::header(small_tensors(), {{"digest", "0000"}});
  CHECK_THROWS_AS(safetensors::write(path, header, {small_tensors()[0]}), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, header, {small_tensors()[1], small_tensors()[0]}), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, header.substr(0, 20), small_tensors()), CheckpointError);
  CHECK_THROWS_AS(safetensors::write(path, "", small_tensors()), CheckpointError);
  CHECK(entries(folder.path()) == 0);
  std::string filled = header;
  filled.replace(filled.find("0000"), 4, "abcd");
  safetensors::write(path, filled, small_tensors());
  CHECK(File::open(path).metadata().at("digest") == "abcd");
}

TEST_CASE("a file of Python's safetensors is read (parity)") {
  const auto path = test::golden_folder() / "rotations.safetensors";
  if (!fs::exists(path)) {
    std::cout << "skipped: " << path.filename() << " is not in the golden folder\n";
    return;
  }
  const File file = File::open(path);
  CHECK_FALSE(file.tensors().empty());
  check_structure(file, fs::file_size(path));
}
