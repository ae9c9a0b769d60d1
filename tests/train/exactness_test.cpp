// What may not change a training: micro-batches, threads, recomputation, stopping. With dropout, stochastic depth, Mixup, CutMix, label smoothing,
// clipping and averaging on.
#include "core/files.h"
#include "core/safetensors.h"
#include "tiny_run.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

struct Course {
  std::vector<double> losses;
  std::map<std::string, torch::Tensor> first_gradients, weights;
};

/// `steps` optimiser steps without a run folder.
Course course(const std::vector<std::string>& overrides, int64_t steps, int threads = 1) {
  const int before = torch::get_num_threads();
  torch::set_num_threads(threads);
  TemporaryFolder folder;
  Trainer trainer(tiny_run(folder.path() / "run", everything_on() + std::vector<std::string>{"train.epochs=20"} + overrides), torch::kCPU);
  Course result;
  for (int64_t step = 0; step < steps; ++step) {
    result.losses.push_back(trainer.step_once().loss);
    if (step == 0)
      for (const auto& [name, weight] : trainer.parts().model->named_weights()) result.first_gradients[name] = weight.grad().clone();
  }
  result.weights = weights_of(trainer);
  torch::set_num_threads(before);
  return result;
}

double difference(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
  double largest = 0;
  for (const auto& [name, tensor] : a) largest = std::max(largest, (tensor - b.at(name)).abs().max().item<double>());
  return largest;
}

/// fp32: first-step gradients per tensor to 1e-5 relative, losses to 1e-4 relative.
void check_close(const Course& a, const Course& b) {
  for (const auto& [name, gradient] : a.first_gradients) {
    CAPTURE(name);
    CHECK((gradient - b.first_gradients.at(name)).norm().item<double>() <= 1e-5 * gradient.norm().item<double>());
  }
  for (size_t step = 0; step < a.losses.size(); ++step) CHECK(b.losses[step] == Approx(a.losses[step]).epsilon(1e-4));
}

}  // namespace

TEST_CASE("exactness: micro-batches in float64 equal the whole batch to 1e-10 after 20 steps, all regularisation on", "[exactness]") {
  const auto whole = course({"train.precision=fp64"}, 20);
  REQUIRE(whole.weights.contains("ema.head.weight"));
  for (const char* micro : {"8", "6", "2"}) {
    CAPTURE(micro);
    const auto split = course({"train.precision=fp64", std::string("train.micro_batch=") + micro}, 20);
    CHECK(difference(whole.weights, split.weights) <= 1e-10);
  }
  CHECK(difference(whole.weights, course({"train.precision=fp64", "seed=1"}, 20).weights) > 1e-3);
}

TEST_CASE("exactness: micro-batches in float32, first gradients to 1e-5 and 20 losses to 1e-4", "[exactness]") {
  const std::vector<std::string> gentle = {"train.precision=fp32", "optimizer.lr=1e-4"};
  const auto whole = course(gentle, 20);
  for (const char* micro : {"8", "4"}) check_close(whole, course(gentle + std::vector<std::string>{std::string("train.micro_batch=") + micro}, 20));
}

TEST_CASE("exactness: the fused blocks alike: micro-batches, threads and recomputation without LayerScale and stochastic depth", "[exactness]") {
  const std::vector<std::string> fused = {"train.precision=fp32", "optimizer.lr=1e-4", "model.layer_scale=null", "model.drop_path=0"};
  const auto whole = course(fused, 20);
  check_close(whole, course(fused + std::vector<std::string>{"train.micro_batch=4"}, 20));
  check_close(whole, course(fused, 20, 2));
  for (const char* precision : {"train.precision=fp32", "train.precision=bf16"})
    CHECK(equal_bits(course(fused + std::vector<std::string>{precision}, 6).weights, course(fused + std::vector<std::string>{precision, "train.activation_checkpointing=true"}, 6).weights));
}

TEST_CASE("exactness: one thread and two", "[exactness]") {
  CHECK(difference(course({"train.precision=fp64"}, 20, 1).weights, course({"train.precision=fp64"}, 20, 2).weights) <= 1e-10);
  const std::vector<std::string> gentle = {"train.precision=fp32", "optimizer.lr=1e-4"};
  check_close(course(gentle, 20, 1), course(gentle, 20, 2));
}

TEST_CASE("exactness: activation checkpointing changes no bit", "[exactness]") {
  for (const char* precision : {"train.precision=fp32", "train.precision=bf16"})
    CHECK(equal_bits(course({precision, "train.micro_batch=8"}, 6).weights, course({precision, "train.micro_batch=8", "train.activation_checkpointing=true"}, 6).weights));
}

TEST_CASE("exactness: a micro-batch that would tear a pair apart is refused, timm's pairing says what it depends on", "[exactness]") {
  TemporaryFolder folder;
  CHECK_THROWS_AS(tiny_run(folder.path(), {"mixup.alpha=0.8", "train.micro_batch=5"}), ConfigError);
  CHECK_NOTHROW(tiny_run(folder.path(), {"mixup.alpha=0.8", "train.micro_batch=5", "mixup.pairing=flip"}));
  CHECK(difference(course({"train.precision=fp64", "mixup.pairing=flip"}, 3).weights, course({"train.precision=fp64", "mixup.pairing=flip", "train.micro_batch=8"}, 3).weights) > 1e-6);
}

namespace {

/// 62 steps with a checkpoint after each. From checkpoint k one more step must give checkpoint k + 1: so every resumption ends where the whole run ends.
void check_resumptions(RotationPath path, int64_t stride) {
  const auto overrides = everything_on() + std::vector<std::string>{"data.train_size=122", "train.batch_size=4", "train.micro_batch=2", "checkpoint.every_steps=1", "checkpoint.keep=100", "eval.limit=4", "log.every_steps=1"};
  TemporaryFolder folder;
  const auto whole = folder.path() / "whole";
  Trainer first(tiny_run(whole, overrides), torch::kCPU);
  first.parts().model->position().set_rotation_path(path);
  REQUIRE(first.run(ResumeMode::kAuto) == ExitCode::kDone);
  REQUIRE(first.state().step == 62);
  int64_t compared = 0;
  for (int64_t step = 1; step < 62; step += stride) {
    CAPTURE(step);
    const auto run = folder.path() / "resumed";
    fs::remove_all(run);
    fs::create_directories(run / "checkpoints");
    fs::copy_file(checkpoint_path(whole, step), checkpoint_path(run, step));
    for (const char* file : {"config.yaml", "metrics.jsonl", "metrics.csv"}) fs::copy_file(whole / file, run / file);
    Trainer resumed(tiny_run(run, overrides + std::vector<std::string>{"train.steps=" + std::to_string(step + 1)}), torch::kCPU);
    resumed.parts().model->position().set_rotation_path(path);
    REQUIRE(resumed.run(ResumeMode::kInsist) == ExitCode::kDone);
    auto file = [&](const fs::path& path) { return safetensors::File::open(checkpoint_path(path, step + 1)); };
    const auto expected = file(whole), found = file(run);
    REQUIRE(expected.tensors().size() == found.tensors().size());
    bool same = true;
    for (const auto& [name, info] : expected.tensors()) {
      const auto a = expected.data(name), b = found.data(name);
      same = same && a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
    }
    CHECK(same);
    for (const char* key : {"step", "epoch", "samples", "skipped"}) CHECK(expected.metadata().at(key) == found.metadata().at(key));
    ++compared;
  }
  CHECK(compared == (61 + stride - 1) / stride);
}

}  // namespace

TEST_CASE("exactness: resumed at every step of two epochs, each next checkpoint is the same bit for bit", "[exactness]") { check_resumptions(RotationPath::kKernels, 1); }
TEST_CASE("exactness: resumptions with reference rotations", "[exactness]") { check_resumptions(RotationPath::kReference, 6); }

TEST_CASE("exactness: deterministic mode trains on the CPU and gives the same bits", "[exactness]") {
  CHECK(equal_bits(course({"deterministic=true"}, 3).weights, course({"deterministic=false"}, 3).weights));
}
