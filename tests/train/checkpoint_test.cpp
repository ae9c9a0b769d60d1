// Checkpoints: what is written is read back bit for bit; what is damaged or of another model is refused by name.
#include <torch/torch.h>

#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "train/checkpoint.h"

using namespace liere;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

NamedTensors some_tensors(double offset = 0) {
  return {{"head.weight", torch::arange(12, torch::kFloat32).reshape({3, 4}) + offset},
          {"generators", torch::arange(6, torch::kFloat64) + offset},
          {"optimizer.exp_avg.head.weight", torch::full({3, 4}, 0.5f + static_cast<float>(offset))}};
}

CheckpointInfo some_info() {
  CheckpointInfo info;
  info.state.step = 12;
  info.state.epoch = 3;
  info.state.samples = 768;
  info.state.evaluated_step = 10;
  info.state.evaluated = {{100, 50, 90, 123.25}, {20, 12, 19, 20.5}, 5};
  info.state.loss_sum = 0.1 + 0.2;
  info.state.loss_count = 7;
  info.state.seconds = 1.0 / 3;
  info.state.best = {71.5, 2, 10};
  info.state.metric_offsets = {{"metrics.jsonl", 345}};
  info.config = "seed: 3 # \"xxh3.header\":\"1234567812345678\"\n";
  info.identity_lines = {"model.preset=tiny", "seed=3"};
  info.class_names = {"cat", "d\"og"};
  info.name = "example";
  info.threads = 2;
  return info;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a checkpoint round-trips tensors and state", "[checkpoint]") {
  TemporaryFolder folder;
  const auto path = checkpoint_path(folder.path(), 12);
  CHECK(path.filename() == "step-00000012.safetensors");
  save_checkpoint(path, some_tensors(1), some_info());
  auto tensors = some_tensors(0);
  const auto info = load_checkpoint(path, tensors, CheckpointPart::kEverything);
  const auto expected = some_tensors(1);
  for (size_t i = 0; i < tensors.size(); ++i) CHECK(torch::equal(tensors[i].second, expected[i].second));
  CHECK(info.state.step == 12);
  CHECK(info.state.samples == 768);
  CHECK(info.state.loss_sum == 0.1 + 0.2);
  CHECK(info.state.seconds == 1.0 / 3);
  CHECK(info.state.best.top1 == 71.5);
  CHECK(info.state.evaluated.views.correct5 == 90);
  CHECK(info.state.evaluated.samples.correct1 == 12);
  CHECK(info.state.evaluated.views_per_sample == 5);
  CHECK(info.state.metric_offsets.at("metrics.jsonl") == 345);
  CHECK(info.class_names == std::vector<std::string>{"cat", "d\"og"});
  CHECK(info.config == some_info().config);
  CHECK(info.identity_lines == some_info().identity_lines);
  CHECK(info.threads == 2);
}

TEST_CASE("every flipped bit of a checkpoint is refused", "[checkpoint]") {
  TemporaryFolder folder;
  const auto path = checkpoint_path(folder.path(), 1);
  save_checkpoint(path, some_tensors(), some_info());
  const auto good = read_file(path);
  size_t refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    std::ofstream(path, std::ios::binary) << bad;
    refused += !error_of([&] { read_checkpoint_info(path); }).empty();
  }
  CHECK(refused == good.size());
  std::ofstream(path, std::ios::binary) << good;
  CHECK_NOTHROW(read_checkpoint_info(path));
}

TEST_CASE("a truncated checkpoint is refused, and the previous one is used", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(checkpoint_path(folder.path(), 1), some_tensors(), some_info());
  save_checkpoint(checkpoint_path(folder.path(), 2), some_tensors(), some_info());
  CHECK(newest_valid_checkpoint(folder.path()) == checkpoint_path(folder.path(), 2));
  fs::resize_file(checkpoint_path(folder.path(), 2), fs::file_size(checkpoint_path(folder.path(), 2)) - 1);
  CHECK(newest_valid_checkpoint(folder.path()) == checkpoint_path(folder.path(), 1));
  fs::resize_file(checkpoint_path(folder.path(), 1), 5);
  CHECK_THROWS_AS(newest_valid_checkpoint(folder.path()), CheckpointError);
}

TEST_CASE("another model's checkpoint is refused with the differences listed", "[checkpoint]") {
  TemporaryFolder folder;
  const auto path = checkpoint_path(folder.path(), 1);
  save_checkpoint(path, some_tensors(), some_info());
  NamedTensors other = {{"head.weight", torch::zeros({3, 5})}, {"generators", torch::zeros({6})}, {"extra", torch::zeros({1})}};
  const auto message = error_of([&] { load_checkpoint(path, other, CheckpointPart::kWeights); });
  CHECK(message.find("head.weight: the file has [3, 4], the model [3, 5]") != std::string::npos);
  CHECK(message.find("generators: the file has F64, the model F32") != std::string::npos);
  CHECK(message.find("extra: missing in the file") != std::string::npos);
  CHECK(message.find("optimizer.") == std::string::npos);
  CHECK(other[0].second.sum().item<double>() == 0);
}

TEST_CASE("pruning keeps the newest, and nothing is removed while the newest is damaged", "[checkpoint]") {
  TemporaryFolder folder;
  for (int64_t step : {1, 2, 3, 4}) save_checkpoint(checkpoint_path(folder.path(), step), some_tensors(), some_info());
  publish_best(folder.path(), checkpoint_path(folder.path(), 1));
  fs::resize_file(checkpoint_path(folder.path(), 4), 100);
  prune_checkpoints(folder.path(), 2);
  CHECK(list_checkpoints(folder.path()).size() == 4);
  save_checkpoint(checkpoint_path(folder.path(), 4), some_tensors(), some_info());
  prune_checkpoints(folder.path(), 2);
  CHECK(list_checkpoints(folder.path()) == std::vector<fs::path>{checkpoint_path(folder.path(), 4), checkpoint_path(folder.path(), 3)});
  CHECK_NOTHROW(read_checkpoint_info(best_checkpoint_path(folder.path())));
}
