// Figures that are read one step later, as on a GPU, with tensors of the CPU: the same weights, checkpoints and metric files as when the host reads them at once.
// With dropout, stochastic depth, Mixup, CutMix, label smoothing, clipping, accumulation and averaging on, and steps that are skipped as non-finite.
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "support/matchers.h"
#include "tiny_run.h"
#include "train/step_records.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

/// Lines of metrics.jsonl without what depends on the clock, then metrics.csv.
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

/// The gradient of head.bias becomes NaN in these steps (counted from 0).
void poison(Trainer& trainer, std::set<int64_t> steps) {
  for (const auto& [name, weight] : trainer.parts().model->named_weights())
    if (name == "head.bias")
      weight.register_hook([&trainer, steps = std::move(steps)](const torch::Tensor& gradient) {
        return steps.contains(trainer.state().step) ? torch::full_like(gradient, std::nan("")) : gradient;
      });
}

/// Every bit of the tensors of two checkpoints, and where the runs stand.
void check_same_checkpoint(const fs::path& a, const fs::path& b) {
  const auto expected = safetensors::File::open(a), found = safetensors::File::open(b);
  REQUIRE(expected.tensors().size() == found.tensors().size());
  for (const auto& [name, info] : expected.tensors()) {
    CAPTURE(name);
    const auto x = expected.data(name), y = found.data(name);
    CHECK((x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin())));
  }
  for (const char* key : {"step", "epoch", "samples", "skipped"}) CHECK(expected.metadata().at(key) == found.metadata().at(key));
}

/// 18 steps of 8 pictures, 9 an epoch, in micro-batches of 4; evaluations within the epochs and checkpoints between them.
std::vector<std::string> busy() {
  return everything_on() + std::vector<std::string>{"ema.warmup=true", "train.batch_size=8", "train.micro_batch=4", "checkpoint.every_steps=1", "checkpoint.keep=100", "eval.every_steps=5", "eval.limit=8",
                                                    "eval.weights=ema", "train.non_finite_limit=3"};
}

struct Result {
  RunState state;
  std::map<std::string, torch::Tensor> weights;
  int64_t updates;
};

Result whole_run(const fs::path& folder, bool lagged, const std::vector<std::string>& overrides, const std::set<int64_t>& poisoned, bool recorded = false) {
  torch::set_num_threads(1);  // tiny products: threads that wait for each other on a busy machine would take minutes
  Trainer trainer(tiny_run(folder, overrides), torch::kCPU);
  trainer.set_lagged(lagged);
  trainer.set_recorded(recorded);
  poison(trainer, poisoned);
  REQUIRE(trainer.run(ResumeMode::kAuto) == ExitCode::kDone);
  return {trainer.state(), weights_of(trainer), trainer.parts().optimizer->updates()};
}

}  // namespace

TEST_CASE("step records: two at most, in order, of their own lengths", "[lagged]") {
  StepRecords records(torch::kCPU);
  CHECK_THROWS_AS(records.take(), Error);
  for (int round = 0; round < 3; ++round) {
    const double base = 10.0 * round;
    records.put(torch::tensor({base + 1, base + 2, base + 3}, torch::kFloat64));
    records.put(torch::tensor({base + 4, base + 5, base + 6, base + 7}, torch::kFloat64));
    CHECK(records.waiting() == 2);
    CHECK_THROWS_AS(records.put(torch::zeros({3}, torch::kFloat64)), Error);
    CHECK(records.take() == std::vector<double>{base + 1, base + 2, base + 3});
    CHECK(records.take() == std::vector<double>{base + 4, base + 5, base + 6, base + 7});
    CHECK(records.waiting() == 0);
  }
  CHECK_THROWS_AS(records.put(torch::zeros({StepRecords::kLongest + 1}, torch::kFloat64)), Error);
  CHECK_THROWS_AS(records.put(torch::zeros({3}, torch::kFloat32)), Error);
}

TEST_CASE("device batches: the loader's, also when fetched ahead, where an end stays an end and an error comes at its batch's turn", "[lagged]") {
  TemporaryFolder folder;
  Trainer trainer(tiny_run(folder.path() / "run"), torch::kCPU);
  const auto loader = [&](int64_t batches, bool fails) {
    return Loader(*trainer.parts().train_set, *trainer.parts().train_recipe, /*seed=*/1, {.workers = 2, .prefetch = 2}, [=](int64_t number) -> std::optional<WorkItem> {
      if (number == batches && fails) throw DataError("no batch " + std::to_string(number));
      if (number == batches) return std::nullopt;
      WorkItem item;
      for (int64_t i = 0; i < 4; ++i) item.indices.push_back(4 * number + i);
      item.slots = {0, 1, 2, 3};
      return item;
    });
  };
  for (const bool ahead : {false, true}) {
    CAPTURE(ahead);
    auto plain = loader(5, false), fetched = loader(5, false), failing = loader(2, true);
    DeviceBatches batches(fetched, torch::kCPU, ahead), failures(failing, torch::kCPU, ahead);
    for (int64_t number = 0; number < 5; ++number) {
      const auto expected = plain.next(), found = batches.next();
      REQUIRE(found);
      if (number != 2) batches.prefetch();  // not asked for each time
      if (number == 3) batches.prefetch();  // twice
      CHECK(torch::equal(expected->input, found->input));
      CHECK(torch::equal(expected->labels_B, found->labels_B));
      CHECK(torch::equal(expected->slots_B, found->slots_B));
    }
    for (int i = 0; i < 2; ++i) {
      CHECK_FALSE(batches.next());
      batches.prefetch();
    }
    for (int i = 0; i < 2; ++i) {
      CHECK(failures.next());
      CHECK_NOTHROW(failures.prefetch());
    }
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_AS(failures.next(), DataError);
      failures.prefetch();
    }
  }
}

TEST_CASE("lagged: the same run bit for bit, metric files included, without and with skipped steps", "[lagged]") {
  for (const auto& poisoned : {std::set<int64_t>{}, std::set<int64_t>{0, 3, 4, 8, 14}}) {
    CAPTURE(poisoned.size());
    TemporaryFolder folder;
    const auto direct = whole_run(folder.path() / "direct", false, busy(), poisoned), lagged = whole_run(folder.path() / "lagged", true, busy(), poisoned);
    REQUIRE(direct.state.step == 18);
    CHECK(direct.state.skipped == static_cast<int64_t>(poisoned.size()));
    CHECK(direct.weights.contains("ema.head.weight"));
    CHECK(equal_bits(direct.weights, lagged.weights));
    CHECK(comparable_metrics(folder.path() / "direct") == comparable_metrics(folder.path() / "lagged"));
    CHECK(lagged.state.step == 18);
    CHECK(lagged.state.skipped == direct.state.skipped);
    CHECK(lagged.state.loss_sum == direct.state.loss_sum);
    CHECK(lagged.state.evaluated.views.loss_sum == direct.state.evaluated.views.loss_sum);
    CHECK(lagged.updates == 18 - lagged.state.skipped);
    CHECK(direct.updates == lagged.updates);
    const auto checkpoints = list_checkpoints(folder.path() / "direct");
    CHECK(checkpoints.size() == 18 - poisoned.size());  // none while the last step was skipped
    CHECK(list_checkpoints(folder.path() / "lagged").size() == checkpoints.size());
    for (const auto& path : checkpoints) check_same_checkpoint(path, folder.path() / "lagged" / "checkpoints" / path.filename());
  }
}

TEST_CASE("lagged: nothing is drained between the steps when nothing is due, to the same end", "[lagged]") {
  const std::vector<std::string> quiet = {"checkpoint.every_steps=1000", "eval.every_steps=1000", "checkpoint.every_epochs=2", "eval.every_epochs=2"};
  for (const char* variant : {"model.position.kind=none", "train.precision=bf16", "train.precision=fp64", "optimizer.kind=adam", "log.every_steps=3", "clip.norm=null"}) {
    CAPTURE(variant);
    TemporaryFolder folder;
    auto overrides = busy() + quiet;
    if (std::string(variant) == "optimizer.kind=adam") overrides.push_back("optimizer.lr=0.001");
    overrides.push_back(variant);
    const std::set<int64_t> poisoned = {2, 3, 11};
    const auto direct = whole_run(folder.path() / "direct", false, overrides, poisoned), lagged = whole_run(folder.path() / "lagged", true, overrides, poisoned);
    CHECK(equal_bits(direct.weights, lagged.weights));
    CHECK(comparable_metrics(folder.path() / "direct") == comparable_metrics(folder.path() / "lagged"));
    CHECK(lagged.state.skipped == 3);
    CHECK(lagged.updates == 15);
  }
}

TEST_CASE("recorded: a step whose work is queued again and again is the step that is queued anew, bit for bit, incomplete batches and evaluations between", "[lagged]") {
  for (const char* variant : {"model.position.kind=none", "model.position.kind=rope_mixed", "train.precision=bf16", "optimizer.encoding_lr_factor=0.5", "train.batch_size=6", "train.activation_checkpointing=true"}) {
    CAPTURE(variant);
    TemporaryFolder folder;
    auto overrides = busy();
    overrides.insert(overrides.end(), {"mixup.alpha=0", "mixup.cutmix_alpha=0", variant});
    const std::set<int64_t> poisoned = {2, 7, 8};
    const auto queued = whole_run(folder.path() / "queued", true, overrides, poisoned), recorded = whole_run(folder.path() / "recorded", true, overrides, poisoned, /*recorded=*/true);
    CHECK(equal_bits(queued.weights, recorded.weights));
    CHECK(comparable_metrics(folder.path() / "queued") == comparable_metrics(folder.path() / "recorded"));
    CHECK(recorded.state.skipped == 3);
    CHECK(recorded.updates == queued.updates);
  }
}

TEST_CASE("recorded: refused on the CPU and with mixup", "[lagged]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(tiny_run(folder.path() / "run", busy() + std::vector<std::string>{"train.cuda_graph=true"}), has("does not go with mixup"));
  CHECK_THROWS_WITH(open_device(tiny_run(folder.path() / "run", {"train.cuda_graph=true"}).config), has("has no CUDA graphs"));
}

TEST_CASE("lagged: resumed from every checkpoint, the next one is the same bit for bit, skipped steps between", "[lagged]") {
  const std::set<int64_t> poisoned = {1, 6, 7, 12};
  TemporaryFolder folder;
  const auto whole = folder.path() / "whole", run = folder.path() / "resumed";
  whole_run(whole, true, busy(), poisoned);
  int64_t compared = 0;
  for (int64_t step = 1; step < 17; ++step) {
    CAPTURE(step);
    if (!fs::exists(checkpoint_path(whole, step))) continue;
    int64_t next = step + 1;
    while (!fs::exists(checkpoint_path(whole, next))) ++next;
    fs::remove_all(run);
    fs::create_directories(run / "checkpoints");
    fs::copy_file(checkpoint_path(whole, step), checkpoint_path(run, step));
    for (const char* file : {"config.yaml", "metrics.jsonl", "metrics.csv"}) fs::copy_file(whole / file, run / file);
    Trainer resumed(tiny_run(run, busy() + std::vector<std::string>{"train.steps=" + std::to_string(next)}), torch::kCPU);
    resumed.set_lagged(true);
    poison(resumed, poisoned);
    REQUIRE(resumed.run(ResumeMode::kInsist) == ExitCode::kDone);
    check_same_checkpoint(checkpoint_path(whole, next), checkpoint_path(run, next));
    ++compared;
  }
  CHECK(compared == 12);
}

TEST_CASE("lagged: divergence is met a step late and harms nothing", "[lagged]") {
  for (const bool from_the_loss : {true, false}) {
    CAPTURE(from_the_loss);
    TemporaryFolder folder;
    Trainer trainer(tiny_run(folder.path() / "run", {"train.non_finite_limit=3", "train.steps=8"}), torch::kCPU);
    trainer.set_lagged(true);
    if (from_the_loss) {
      torch::NoGradGuard no_grad;
      for (auto& [name, tensor] : trainer.parts().model->named_weights())
        if (name == "head.bias") tensor[0] = std::nan("");
    } else {
      poison(trainer, {0, 1, 2, 3, 4, 5, 6, 7});
    }
    const auto before = weights_of(trainer);
    CHECK_THROWS_AS(trainer.run(ResumeMode::kAuto), DivergedError);
    CHECK(trainer.state().skipped == 3);
    CHECK(trainer.state().step == 4);  // one more was queued, and skipped
    const auto after = weights_of(trainer);
    for (const auto& [name, tensor] : before) CHECK(torch::equal(tensor.nan_to_num(-1), after.at(name).nan_to_num(-1)));
    CHECK(list_checkpoints(folder.path() / "run").empty());
  }
}

TEST_CASE("lagged: one step by itself reports itself", "[lagged]") {
  TemporaryFolder folder;
  Trainer direct(tiny_run(folder.path() / "a", everything_on()), torch::kCPU), lagged(tiny_run(folder.path() / "b", everything_on()), torch::kCPU);
  lagged.set_lagged(true);
  for (int64_t step = 1; step <= 3; ++step) {
    const auto expected = direct.step_once(), found = lagged.step_once();
    CHECK(found.step == step);
    CHECK(found.loss == expected.loss);
    CHECK(found.gradient_norm == expected.gradient_norm);
    CHECK(found.lr == expected.lr);
    CHECK(found.orthogonality == expected.orthogonality);
    CHECK(found.samples_per_second > 0);
  }
}

TEST_CASE("lagged: an update that the device skips changes no bit of the optimiser or the average", "[lagged]") {
  const auto weight = torch::linspace(-1, 1, 12).view({3, 4}).set_requires_grad(true);
  const NamedTensors weights = {{"w", weight}};
  const OptimizerConfig adamw = AdamWConfig{};
  Optimizer optimizer(adamw, weights);
  Ema ema({.decay = 0.9, .warmup = true}, weights);
  const auto everything = [&] {
    std::vector<torch::Tensor> all = {weight.detach().clone(), ema.tensors()[0].clone(), optimizer.updates_on_device().clone()};
    for (const auto& [name, tensor] : optimizer.state()) all.push_back(tensor.clone());
    return all;
  };
  const auto one = torch::ones({}), zero = torch::zeros({}), rate = optimizer.lr_tensor().fill_(0.1);
  weight.mutable_grad() = torch::linspace(1, -2, 12).view({3, 4});
  optimizer.step_unless(zero, rate);
  ema.update_unless(zero, weights, optimizer.updates_on_device());
  const auto before = everything();
  CHECK(before[2].item<float>() == 1);
  CHECK_FALSE(torch::equal(before[0], torch::linspace(-1, 1, 12).view({3, 4})));
  weight.mutable_grad().fill_(std::nan(""));
  optimizer.step_unless(one, rate);
  ema.update_unless(one, weights, optimizer.updates_on_device());
  const auto after = everything();
  for (size_t i = 0; i < before.size(); ++i) CHECK(torch::equal(before[i], after[i]));
}
