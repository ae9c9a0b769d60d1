// Checkpoints that were cut, changed, or are something else: refused with the reason, and nothing in them is run.
#include <torch/torch.h>

#include <fstream>

#include "core/files.h"
#include "core/rng.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

NamedTensors some_tensors() {
  return {{"head.weight", torch::arange(1200, torch::kFloat32).reshape({30, 40})}, {"generators", torch::arange(60, torch::kFloat64)}, {"bias", torch::ones({3})}};
}

CheckpointInfo info_at(int64_t step) {
  CheckpointInfo info;
  info.state.step = step;
  info.config = "seed: 3\n";
  return info;
}

std::string refusal(const fs::path& path) {
  try {
    read_checkpoint_info(path);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

void put(const fs::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

}  // namespace

TEST_CASE("a checkpoint cut at any length of its header, or anywhere, is refused and the previous one is used", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto older = checkpoint_path(folder.path(), 1), newer = checkpoint_path(folder.path(), 2);
  save_checkpoint(older, some_tensors(), info_at(1));
  save_checkpoint(newer, some_tensors(), info_at(2));
  const auto whole = read_file(newer);
  const size_t header = safetensors::File::open(newer).header_bytes().size();
  std::vector<size_t> lengths;
  for (size_t length = 0; length <= header + 64; ++length) lengths.push_back(length);
  Rng random(5, Purpose::kShuffle, 0);
  for (int i = 0; i < 200; ++i) lengths.push_back(header + 64 + static_cast<size_t>(random.integer(static_cast<int64_t>(whole.size() - header - 64))));
  size_t bad = 0;
  for (const size_t length : lengths) {
    put(newer, whole.substr(0, length));
    bad += refusal(newer).empty();
  }
  CHECK(lengths.size() > 1000);
  CHECK(bad == 0);
  CHECK(newest_valid_checkpoint(folder.path()) == older);
}

TEST_CASE("every flipped bit of a header and random ones of the data are refused, those of the data by the tensor's name", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto path = checkpoint_path(folder.path(), 1);
  save_checkpoint(path, some_tensors(), info_at(1));
  const auto whole = read_file(path);
  const auto good = safetensors::File::open(path);
  const size_t header = good.header_bytes().size();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto with_flipped = [&](size_t bit) {
    const auto write = [&](char byte) { file.seekp(static_cast<std::streamoff>(bit / 8)).put(byte).flush(); };
    write(static_cast<char>(whole[bit / 8] ^ (1 << bit % 8)));
    const auto message = refusal(path);
    write(whole[bit / 8]);
    return message;
  };
  size_t missed = 0, unnamed = 0;
  for (size_t bit = 0; bit < header * 8; ++bit) missed += with_flipped(bit).empty();
  CHECK(missed == 0);
  Rng random(6, Purpose::kShuffle, 0);
  for (int i = 0; i < 2000; ++i) {
    const size_t at = static_cast<size_t>(random.integer(static_cast<int64_t>(whole.size() - header)));
    std::string name;
    for (const auto& [tensor, info] : good.tensors())
      if (at >= info.begin && at < info.end) name = tensor;
    const auto message = with_flipped((header + at) * 8 + static_cast<size_t>(random.integer(8)));
    missed += message.empty();
    unnamed += message.find("tensor '" + name + "'") == std::string::npos;
  }
  CHECK(missed == 0);
  CHECK(unnamed == 0);
  CHECK(refusal(path).empty());
}

TEST_CASE("a checkpoint with whole digests but without what it should say is refused", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "other.safetensors";
  const std::string data = "0123";
  const std::vector<safetensors::TensorView> tensors = {{"a", safetensors::Dtype::kU8, {4}, std::as_bytes(std::span(data.data(), data.size()))}};
  safetensors::write(path, tensors, std::map<std::string, std::string>{{"format", "pt"}});
  CHECK_THAT(refusal(path), has("'pt'"));
  safetensors::write(path, tensors, std::map<std::string, std::string>{});
  CHECK_THAT(refusal(path), has("no format entry"));
  safetensors::write(path, tensors, {{"format", "liere-1"}});
  CHECK_THAT(refusal(path), has("digest is missing"));
  safetensors::write(path, tensors, {{"format", "liere-1"}, {"xxh3.header", "0123456789abcdef"}, {"xxh3", "no json"}});
  CHECK_THAT(refusal(path), has("does not match"));
}

TEST_CASE("pickles, archives and TorchScript are refused unread wherever a checkpoint is asked for", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto canary = folder.path() / "canary";
  const std::string call = "cos\nsystem\n(S'touch " + canary.string() + "'\ntR.";
  const std::string zip = std::string("PK\x03\x04\x14\0\0\0\0\0", 10) + std::string(20, '\0');
  const std::vector<std::pair<std::string, std::string>> files = {
      {"protocol0.pkl", call},
      {"model.pt", "\x80\x02" + call},
      {"epoch=3.ckpt", zip + "archive/data.pkl" + call + std::string(300, '\0')},
      {"scripted.pt", zip + "model/constants.pkl" + call + "PK\x05\x06" + std::string(18, '\0')},
      {"weights.zip", "PK\x05\x06" + std::string(18, '\0')}};
  for (const auto& [name, content] : files) {
    const auto path = folder.path() / name;
    put(path, content);
    INFO(name);
    CHECK_THAT(refusal(path), has(path.string()) && has("can run code when read") && has("safetensors"));
    auto tensors = some_tensors();
    CHECK_THROWS_AS(load_checkpoint(path, tensors, CheckpointPart::kWeights), CheckpointError);
    // Under the name of a checkpoint it is passed over like any damaged one.
    const auto run = folder.path() / "run";
    save_checkpoint(checkpoint_path(run, 1), some_tensors(), info_at(1));
    put(checkpoint_path(run, 2), content);
    CHECK(choose_checkpoint(run.string()).file == checkpoint_path(run, 1));
  }
  CHECK_FALSE(fs::exists(canary));
}
