// Checkpoints written beside training: what is saved is what stood at the step, failures cost warnings and then the run, never the earlier file.
#include "train/checkpoint_writer.h"

#include <torch/torch.h>

#include <fstream>

#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

NamedTensors tensors_of(double value) {
  return {{"head.weight", torch::full({512, 96}, value, torch::kFloat32)},
          {"generators", torch::full({7}, value, torch::kFloat64)},
          {"optimizer.exp_avg.head.weight", torch::full({96, 512}, value, torch::kFloat32).t()}};  // not contiguous
}

CheckpointInfo info_at(int64_t step) {
  CheckpointInfo info;
  info.state.step = step;
  return info;
}

/// The one value that all tensors of a checkpoint hold; fails where they differ.
double value_in(const fs::path& path) {
  auto tensors = tensors_of(-1);
  load_checkpoint(path, tensors, CheckpointPart::kEverything);
  const double value = tensors[1].second[0].item<double>();
  for (const auto& [name, tensor] : tensors) REQUIRE(tensor.eq(value).all().item<bool>());
  return value;
}

size_t temporaries(const fs::path& run) {
  size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(run)) count += entry.path().string().find(".tmp") != std::string::npos;
  return count;
}

}  // namespace

TEST_CASE("a checkpoint holds the tensors of its step, whatever training does to them meanwhile", "[checkpoint]") {
  for (const bool background : {true, false}) {
    const TemporaryFolder folder;
    CheckpointWriter writer(folder.path(), nullptr, {.keep = 50, .background = background});
    auto tensors = tensors_of(0);
    for (int64_t step = 1; step <= 50; ++step) {
      for (auto& [name, tensor] : tensors) tensor.fill_(static_cast<double>(step));
      CHECK(writer.submit(tensors, info_at(step), false));
      for (auto& [name, tensor] : tensors) tensor.fill_(1000.0 + static_cast<double>(step));
    }
    writer.finish();
    for (int64_t step = 1; step <= 50; ++step) CHECK(value_in(checkpoint_path(folder.path(), step)) == static_cast<double>(step));
    CHECK(writer.failures() == 0);
    CHECK(temporaries(folder.path()) == 0);
  }
}

TEST_CASE("background and calling thread write the same bytes", "[checkpoint]") {
  const TemporaryFolder one, other;
  CheckpointWriter first(one.path(), nullptr, {.background = true}), second(other.path(), nullptr, {.background = false});
  first.submit(tensors_of(3), info_at(4), true);
  second.submit(tensors_of(3), info_at(4), true);
  first.finish();
  for (const auto& name : {"checkpoints/step-00000004.safetensors", "checkpoints/best.safetensors"}) {
    CHECK(read_file(one.path() / name) == read_file(other.path() / name));
    CHECK_NOTHROW(read_checkpoint_info(one.path() / name));
  }
}

TEST_CASE("the writer keeps the newest and the best", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), nullptr, {.keep = 2});
  for (int64_t step = 1; step <= 6; ++step) writer.submit(tensors_of(static_cast<double>(step)), info_at(step), step == 2);
  writer.finish();
  CHECK(list_checkpoints(folder.path()) == std::vector<fs::path>{checkpoint_path(folder.path(), 6), checkpoint_path(folder.path(), 5)});
  CHECK(value_in(best_checkpoint_path(folder.path())) == 2);
}

TEST_CASE("saves that fail are counted, and as many in a row as the limit end the run", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto blocked = folder.path() / "checkpoints";
  for (const bool background : {true, false}) {
    CheckpointWriter writer(folder.path(), nullptr, {.background = background, .failure_limit = 3});
    const auto save = [&](int64_t step) {
      writer.submit(tensors_of(1), info_at(step), false);
      try {
        writer.finish();
      } catch (const CheckpointError& error) {
        return std::string(error.what());
      }
      return std::string();
    };
    write_file_atomically(blocked, "a file where the folder should be");
    CHECK_THAT(save(1), has("the last checkpoint could not be written") && has(blocked.string()));
    CHECK_THAT(save(2), has("the last checkpoint could not be written"));
    CHECK_NOTHROW(writer.check());
    fs::remove(blocked);
    CHECK(save(3).empty());  // one that succeeds begins the count anew
    fs::remove_all(blocked);
    write_file_atomically(blocked, "again");
    save(4);
    save(5);
    CHECK_NOTHROW(writer.check());
    CHECK_THAT(save(6), has("3 checkpoints in a row could not be written") && has(blocked.string()));
    CHECK_THROWS_AS(writer.check(), CheckpointError);
    CHECK_THROWS_AS(writer.submit(tensors_of(1), info_at(7), false), CheckpointError);
    CHECK(writer.failures() == 5);
    CHECK(temporaries(folder.path()) == 0);
    fs::remove_all(blocked);
  }
}

TEST_CASE("a save that fails half-way leaves the earlier checkpoint and no temporary", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointWriter writer(folder.path(), nullptr, {.background = true, .failure_limit = 3});
  writer.submit(tensors_of(1), info_at(1), true);
  writer.finish();
  fs::create_directories(checkpoint_path(folder.path(), 2) / "in the way");  // the rename fails after everything was written
  writer.submit(tensors_of(2), info_at(2), true);
  CHECK_THROWS_AS(writer.finish(), CheckpointError);
  CHECK(value_in(checkpoint_path(folder.path(), 1)) == 1);
  CHECK(value_in(best_checkpoint_path(folder.path())) == 1);
  CHECK(temporaries(folder.path()) == 0);
}

TEST_CASE("a superseded process publishes nothing and ends", "[checkpoint]") {
  for (const bool background : {true, false}) {
    const TemporaryFolder folder;
    const FolderLock lock(folder.path());
    CheckpointWriter writer(folder.path(), &lock, {.background = background});
    writer.submit(tensors_of(1), info_at(1), true);
    writer.finish();
    ::setenv("SLURM_RESTART_COUNT", "1", 1);
    const FolderLock newer(folder.path());
    ::unsetenv("SLURM_RESTART_COUNT");
    writer.submit(tensors_of(2), info_at(2), true);
    CHECK_THROWS_AS(writer.finish(), SupersededError);
    CHECK_THROWS_AS(writer.check(), SupersededError);
    CHECK(list_checkpoints(folder.path()) == std::vector<fs::path>{checkpoint_path(folder.path(), 1)});
    CHECK(value_in(best_checkpoint_path(folder.path())) == 1);
    CHECK(writer.failures() == 0);
    CHECK(temporaries(folder.path()) == 0);
  }
}

TEST_CASE("a checkpoint may be saved over the file that is still mapped", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto path = checkpoint_path(folder.path(), 1);
  save_checkpoint(path, tensors_of(1), info_at(1));
  const auto mapped = safetensors::File::open(path);
  auto tensors = tensors_of(0);
  load_checkpoint(path, tensors, CheckpointPart::kEverything);
  for (auto& [name, tensor] : tensors) tensor.add_(1);
  save_checkpoint(path, tensors, info_at(1));
  CHECK(value_in(path) == 2);
  CHECK_NOTHROW(verify_checkpoint(mapped, path));  // the old content is still whole
  const auto before = mapped.data("head.weight");
  CHECK(reinterpret_cast<const float*>(before.data())[0] == 1.0f);
}
