// Whole runs on a tiny arrow task: resume bit for bit, micro-batches, seeds, run folders.
#include <torch/torch.h>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "train/eval_tests.h"
#include "train/trainer.h"

using namespace liere;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

Experiment tiny(const fs::path& output, std::vector<std::string> overrides = {}) {
  std::vector<std::string> all = {"model.width=32", "model.heads=1", "model.depth=2", "model.mlp=32", "data.train_size=72", "data.test_size=40", "train.batch_size=16", "train.epochs=2",
                                  "model.dropout=0.1", "device=cpu", "log.every_steps=1", "output=" + output.string()};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/arrows_tiny_liere.yaml").string(), all);
}

std::vector<torch::Tensor> weights_of(Trainer& trainer) {
  std::vector<torch::Tensor> weights;
  for (const auto& [name, tensor] : trainer.parts().model->named_weights()) weights.push_back(tensor.detach().clone());
  return weights;
}

bool equal_bits(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!torch::equal(a[i], b[i])) return false;
  return a.size() == b.size();
}

/// Lines of metrics.jsonl without what depends on the clock.
std::string comparable_metrics(const fs::path& run) {
  std::string text;
  std::istringstream lines(read_file(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    auto object = nlohmann::json::parse(line);
    for (const char* key : {"samples_per_second", "data_wait", "mfu", "memory", "seconds_left"}) object.erase(key);
    text += object.dump() + "\n";
  }
  return text + read_file(run / "metrics.csv");
}

}  // namespace

TEST_CASE("a run stopped at any step and resumed equals the uninterrupted run bit for bit", "[trainer]") {
  TemporaryFolder folder;
  const std::vector<std::string> overrides = {"train.micro_batch=6", "clip.norm=1.0", "loader.workers=2"};
  Trainer whole(tiny(folder.path() / "whole", overrides), torch::kCPU);
  REQUIRE(whole.total_steps() == 10);  // 72 pictures in batches of 16: five steps an epoch, the last of 8
  REQUIRE(whole.run(ResumeMode::kAuto) == ExitCode::kDone);
  const auto expected = weights_of(whole);
  for (int64_t stop = 1; stop < 10; ++stop) {
    const auto run = folder.path() / ("stop" + std::to_string(stop));
    auto first = overrides;
    first.push_back("train.steps=" + std::to_string(stop));
    first.push_back("checkpoint.every_steps=1");
    first.push_back("eval.every_epochs=1");
    Trainer(tiny(run, first), torch::kCPU).run(ResumeMode::kAuto);
    Trainer resumed(tiny(run, overrides), torch::kCPU);
    REQUIRE(resumed.run(ResumeMode::kInsist) == ExitCode::kDone);
    CHECK(equal_bits(weights_of(resumed), expected));
    CHECK(resumed.state().samples == 144);
    // A stop within an epoch adds an evaluation of its own; at the end of an epoch the metrics are the same bytes.
    if (stop == 5) CHECK(comparable_metrics(run) == comparable_metrics(folder.path() / "whole"));
  }
}

TEST_CASE("micro-batches change nothing but rounding (float64: 1e-10 after 10 steps, dropout and clipping on)", "[trainer]") {
  TemporaryFolder folder;
  std::vector<std::vector<torch::Tensor>> results;
  for (const char* micro : {"16", "8", "5"}) {
    Trainer trainer(tiny(folder.path() / micro, {"train.precision=fp64", "clip.norm=0.5", std::string("train.micro_batch=") + micro}), torch::kCPU);
    for (int64_t step = 0; step < 10; ++step) trainer.step_once();
    results.push_back(weights_of(trainer));
  }
  for (size_t other = 1; other < results.size(); ++other)
    for (size_t i = 0; i < results[0].size(); ++i) CHECK((results[0][i] - results[other][i]).abs().max().item<double>() <= 1e-10);
}

TEST_CASE("two equal runs are equal bit for bit, another seed is another run, the backbone's start does not depend on the encoding", "[trainer]") {
  TemporaryFolder folder;
  const auto after_three_steps = [&](std::vector<std::string> overrides) {
    Trainer trainer(tiny(folder.path() / "x", overrides), torch::kCPU);
    for (int step = 0; step < 3; ++step) trainer.step_once();
    return weights_of(trainer);
  };
  const auto first = after_three_steps({"loader.workers=0"});
  CHECK(equal_bits(first, after_three_steps({"loader.workers=3", "loader.prefetch=1"})));
  CHECK_FALSE(equal_bits(first, after_three_steps({"seed=1"})));

  Trainer liere(tiny(folder.path() / "a"), torch::kCPU), absolute(tiny(folder.path() / "b", {"model.position.kind=absolute"}), torch::kCPU);
  std::map<std::string, torch::Tensor> of_absolute;
  for (const auto& [name, tensor] : absolute.parts().model->named_weights()) of_absolute[name] = tensor;
  for (const auto& [name, tensor] : liere.parts().model->named_weights())
    if (name != "generators") CHECK(torch::equal(tensor, of_absolute.at(name)));
}

TEST_CASE("a used folder: same configuration resumes, another is refused by key, --force moves it aside, --resume insists", "[trainer]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  CHECK_THROWS_AS(Trainer(tiny(run), torch::kCPU).run(ResumeMode::kInsist), CheckpointError);
  Trainer(tiny(run, {"train.epochs=1"}), torch::kCPU).run(ResumeMode::kAuto);
  try {
    Trainer(tiny(run, {"train.epochs=1", "optimizer.lr=0.5"}), torch::kCPU).run(ResumeMode::kAuto);
    FAIL("a run of another configuration was not refused");
  } catch (const CheckpointError& error) {
    CHECK(std::string(error.what()).find("optimizer.lr") != std::string::npos);
    CHECK(std::string(error.what()).find("--force") != std::string::npos);
  }
  Trainer again(tiny(run, {"train.epochs=1"}), torch::kCPU);
  CHECK(again.run(ResumeMode::kInsist) == ExitCode::kDone);  // nothing left to do
  CHECK(again.state().step == 5);
  Trainer(tiny(run, {"train.epochs=1", "optimizer.lr=0.5"}), torch::kCPU).run(ResumeMode::kForce);
  CHECK(fs::exists(folder.path() / "run.1/summary.json"));
  CHECK(fs::exists(run / "summary.json"));
  RunFolder open(tiny(run, {"train.epochs=1", "optimizer.lr=0.5"}), ResumeMode::kAuto);
  CHECK_THROWS_AS(RunFolder(tiny(run, {"train.epochs=1", "optimizer.lr=0.5"}), ResumeMode::kAuto), CheckpointError);
}

TEST_CASE("non-finite steps are skipped and end the run with its own error", "[trainer]") {
  TemporaryFolder folder;
  Trainer trainer(tiny(folder.path() / "run", {"train.non_finite_limit=3"}), torch::kCPU);
  const auto before = weights_of(trainer);
  {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : trainer.parts().model->named_weights())
      if (name == "head.bias") tensor[0] = std::nan("");
  }
  CHECK_THROWS_AS(trainer.run(ResumeMode::kAuto), DivergedError);
  CHECK(trainer.state().skipped == 3);
  CHECK(list_checkpoints(folder.path() / "run").empty());
}

TEST_CASE("evaluation: counts each sample once, is independent of the batch size, and every test writes its result", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  Trainer trainer(tiny(run, {"data.test_size=43", "train.epochs=1"}), torch::kCPU);
  trainer.run(ResumeMode::kAuto);
  std::vector<nlohmann::json> results;
  for (const char* batch : {"7", "43", "100"}) {
    auto trained = load_trained(run.string(), {std::string("eval.batch_size=") + batch});
    results.push_back(run_eval_test(trained, "accuracy", ""));
    CHECK(results.back()["samples"] == 43);
    CHECK(results.back()["top1"] == results[0]["top1"]);
    CHECK(results.back()["loss"].get<double>() == Approx(results[0]["loss"].get<double>()).epsilon(1e-5));
  }
  CHECK(results[0]["top1"].get<double>() == Approx(trainer.state().evaluated.views.top1()));
  auto trained = load_trained(run.string(), {"eval.limit=20", "eval.sizes=[60,84]"});
  const auto shuffled = run_eval_test(trained, "shuffle", "");
  CHECK(shuffled["seeds"].size() == 3);
  CHECK(shuffled["samples"] == 20);
  const auto resolution = run_eval_test(trained, "resolution", "");
  CHECK(resolution["results"].size() == 5);  // 60 once; 84 as larger grid and scaled, with both position rules
  CHECK(run_eval_test(trained, "resolution", "", /*fresh=*/true)["results"] == resolution["results"]);  // evaluated again: the position rule was put back
  for (const char* test : {"accuracy", "shuffle", "resolution"}) CHECK(fs::exists(run / "eval" / test / "eval.json"));
  CHECK_THROWS_AS(load_trained(run.string(), {"model.dropout=0.3"}), ConfigError);
  CHECK_THROWS_AS(load_trained((folder.path() / "nothing").string(), {}), CheckpointError);
}

TEST_CASE("one axis: sequences are trained on, evaluated during training, and are one-dimensional to every encoding", "[trainer]") {
  TemporaryFolder folder;
  for (const char* position : {"none", "absolute", "rope", "visionllama", "rope_mixed", "liere"}) {
    INFO(position);
    auto experiment = load_experiment((std::filesystem::path(LIERE_SOURCE_DIR) / "configs/sequences_none.yaml").string(),
                                      {std::string("model.position.kind=") + position, "data.train_size=128", "data.test_size=32", "train.steps=2", "device=cpu", "output=" + (folder.path() / position).string()});
    Trainer trainer(experiment, torch::kCPU);
    trainer.run(ResumeMode::kAuto);
    CHECK(trainer.state().step == 2);
    const auto summary = read_file(folder.path() / position / "summary.json");
    CHECK(summary.find("\"count\": 32") != std::string::npos);
  }
  const auto file = (std::filesystem::path(LIERE_SOURCE_DIR) / "configs/sequences_liere_8.yaml").string();
  CHECK_THROWS_WITH(load_experiment(file, {"data.length=40"}), Catch::Contains("model.input_size must be [40]"));
  CHECK_THROWS_WITH(load_experiment(file, {"model.input_size=[32,32]", "model.patch=[1,1]"}), Catch::Contains("sequences, which need [tokens]"));
  CHECK_THROWS_WITH(load_experiment(file, {"mixup.alpha=0.8"}), Catch::Contains("mixup mixes pictures"));
}
