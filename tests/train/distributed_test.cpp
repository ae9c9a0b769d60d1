// Training does not depend on how many ranks share it: contiguous shares of every step's slots, averaged gradients, one decision for all.
#include <mutex>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "ranks_in_threads.h"
#include "tiny_run.h"
#include "train/evaluation_parts.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

struct Course {
  std::vector<double> losses, norms;
  std::vector<bool> skipped;
  std::map<std::string, torch::Tensor> first_gradients, weights;
};

using Prepare = std::function<void(Trainer&, int64_t rank)>;

/// `steps` optimiser steps in `size` ranks, without a run folder; the last rank's course, after a look that all have the same weights and figures.
Course course(int64_t size, const std::vector<std::string>& overrides, int64_t steps, const Prepare& prepare = {}, DistributedConfig config = {}) {
  TemporaryFolder folder;
  const auto experiment = tiny_run(folder.path() / "run", everything_on() + std::vector<std::string>{"train.epochs=20", "loader.workers=0"} + overrides);
  std::vector<Course> courses(static_cast<size_t>(size));
  in_ranks(size, [&](Ranks& ranks) {
    Trainer trainer(experiment, torch::kCPU, &ranks);
    if (prepare) prepare(trainer, ranks.rank());
    auto& result = courses[static_cast<size_t>(ranks.rank())];
    for (int64_t step = 0; step < steps; ++step) {
      const auto report = trainer.step_once();
      result.losses.push_back(report.loss);
      result.norms.push_back(report.gradient_norm);
      result.skipped.push_back(report.skipped);
      if (step == 0)
        for (const auto& [name, weight] : trainer.parts().model->named_weights()) result.first_gradients[name] = weight.grad().clone();
    }
    result.weights = weights_of(trainer);
    ranks.finish();
  }, config);
  for (const auto& other : courses) {
    CHECK(equal_bits(other.weights, courses.back().weights));
    CHECK(other.skipped == courses.back().skipped);
    for (size_t step = 0; step < other.losses.size(); ++step)
      if (!other.skipped[step]) CHECK(other.losses[step] == courses.back().losses[step]);
  }
  return courses.back();
}

double difference(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
  double largest = 0;
  for (const auto& [name, tensor] : a) largest = std::max(largest, (tensor - b.at(name)).abs().max().item<double>());
  return largest;
}

}  // namespace

TEST_CASE("ranks: shares of a step are contiguous, begin at even slots, hold every sample once and differ by a pair at most", "[ranks]") {
  for (int64_t ranks = 1; ranks <= 9; ++ranks)
    for (int64_t batch = 1; batch <= 40; ++batch)
      for (int64_t last = 1; last <= batch; ++last) {
        int64_t next = 0, next_last = 0, least = batch, most = 0;
        for (int64_t rank = 0; rank < ranks; ++rank) {
          const MicroBatchPlan plan{3 * batch + last, batch, 3, 4, rank, ranks};
          const auto full = plan.slots_in(0), rest = plan.slots_in(3);
          REQUIRE(full.begin == next);
          REQUIRE(rest.begin == next_last);
          if (full.size() > 0) REQUIRE(full.begin % 2 == 0);
          if (rest.size() > 0) REQUIRE(rest.begin % 2 == 0);
          REQUIRE((full.size() > 0 || rest.size() == 0));
          next = full.end;
          next_last = rest.end;
          least = std::min(least, full.size());
          most = std::max(most, full.size());
          // The loader's numbers run through all micro-batches of the rank, step by step.
          if (!plan.has_any()) continue;
          int64_t number = 0;
          for (int64_t step = 0; step < 8; ++step) {
            REQUIRE(plan.first_of(step) == number);
            for (int64_t part = 0; part < plan.micro_batches_in(step % 4); ++part, ++number) {
              const auto place = plan.place(number);
              REQUIRE((place.step == step && place.part == part && place.cursor.epoch == step / 4 && place.cursor.step == step % 4));
            }
          }
        }
        REQUIRE((next == batch && next_last == last));
        REQUIRE(most - least <= 3);
      }
}

TEST_CASE("ranks: 2, 3 and 4 ranks in float64 equal one to 1e-10 after 20 steps, all regularisation on", "[ranks]") {
  const auto alone = course(1, {"train.precision=fp64"}, 20);
  for (const int64_t size : {2, 3, 4}) {
    CAPTURE(size);
    const auto shared = course(size, {"train.precision=fp64"}, 20);
    CHECK(difference(alone.weights, shared.weights) <= 1e-10);
    for (size_t step = 0; step < alone.losses.size(); ++step) {
      CHECK(shared.losses[step] == Approx(alone.losses[step]).epsilon(1e-12));
      CHECK(shared.norms[step] == Approx(alone.norms[step]).epsilon(1e-10));
    }
  }
  CHECK(difference(alone.weights, course(3, {"train.precision=fp64", "train.micro_batch=2"}, 20).weights) <= 1e-10);
  CHECK(difference(alone.weights, course(2, {"train.precision=fp64", "seed=1"}, 20).weights) > 1e-3);
}

TEST_CASE("ranks: a rank without samples takes part", "[ranks]") {
  const std::vector<std::string> small = {"train.precision=fp64", "train.batch_size=4", "data.train_size=30"};
  CHECK(difference(course(1, small, 20).weights, course(4, small, 20).weights) <= 1e-10);
}

TEST_CASE("ranks: each encoding in float64 equals one rank", "[ranks]") {
  for (const char* kind : {"absolute", "rope_mixed", "none", "visionllama"}) {
    CAPTURE(kind);
    const std::vector<std::string> of_kind = {"train.precision=fp64", std::string("model.position.kind=") + kind};
    CHECK(difference(course(1, of_kind, 5).weights, course(2, of_kind, 5).weights) <= 1e-10);
  }
}

TEST_CASE("ranks: fp32 gradients of the first step to 1e-5, losses of 20 steps to 1e-4 relative", "[ranks]") {
  const auto alone = course(1, {}, 20), shared = course(2, {}, 20);
  for (const auto& [name, gradient] : alone.first_gradients) {
    CAPTURE(name);
    CHECK((gradient - shared.first_gradients.at(name)).norm().item<double>() <= 1e-5 * gradient.norm().item<double>());
  }
  for (size_t step = 0; step < alone.losses.size(); ++step) CHECK(shared.losses[step] == Approx(alone.losses[step]).epsilon(1e-4));
  SECTION("bf16 compression rounds gradients and nothing else") {
    DistributedConfig config;
    config.compression = GradientCompression::kBf16;
    const auto rounded = course(2, {"distributed.compression=bf16"}, 5, {}, config);
    CHECK(rounded.losses[0] == shared.losses[0]);
    bool differs = false;
    for (const auto& [name, gradient] : shared.first_gradients) {
      CAPTURE(name);
      const auto error = (gradient - rounded.first_gradients.at(name)).norm().item<double>();
      CHECK(error <= 0.01 * gradient.norm().item<double>());
      differs |= error > 0;
    }
    CHECK(differs);
  }
}

TEST_CASE("ranks: a gradient that is not finite in one rank skips the step in all of them", "[ranks]") {
  for (const int64_t poisoned : {0, 1}) {
    CAPTURE(poisoned);
    const auto result = course(2, {}, 4, [&](Trainer& trainer, int64_t rank) {
      if (rank != poisoned) return;
      const auto weight = trainer.parts().model->named_weights().front().second;
      weight.register_hook([&trainer](torch::Tensor gradient) { return trainer.state().step == 1 ? torch::full_like(gradient, std::nan("")) : gradient; });
    });
    CHECK(result.skipped == std::vector<bool>{false, true, false, false});
  }
}

TEST_CASE("ranks: what differs between them is named before anything is trained", "[ranks]") {
  TemporaryFolder folder;
  const auto started = [&](const std::string& of_second) {
    in_ranks(2, [&](Ranks& ranks) {
      Trainer trainer(tiny_run(folder.path() / "run", ranks.rank() == 1 ? std::vector<std::string>{of_second} : std::vector<std::string>{}), torch::kCPU, &ranks);
    });
  };
  for (const char* difference : {"seed=3", "model.depth=3", "optimizer.lr=0.5", "data.train_size=71", "data.test_size=41"}) {
    CAPTURE(difference);
    const std::string key = std::string(difference).substr(std::string(difference).find('.') + 1);
    REQUIRE_THROWS_WITH(started(difference), Catch::Contains("the ranks of a run must agree, but their configuration differs: rank 0 has") && Catch::Contains(key.substr(0, key.find('='))) &&
                                                 Catch::Contains("rank 1 has"));
  }
}

TEST_CASE("ranks: an evaluation is the same, bit for bit, in 1 to 4 ranks, also of fewer samples than ranks", "[ranks]") {
  TemporaryFolder folder;
  const auto experiment = tiny_run(folder.path() / "run", {"data.test_size=101"});
  Trainer trainer(experiment, torch::kCPU);
  trainer.step_once();
  for (const int64_t limit : {1, 2, 3, 5, 7, 10, 101}) {
    CAPTURE(limit);
    std::vector<Row> expected;
    EvaluationSums sums;
    std::mutex mutex;
    for (const int64_t size : {1, 2, 3, 4}) {
      in_ranks(size, [&](Ranks& ranks) {
        std::vector<Row> rows;
        ClassScores scores;
        Vit model(experiment.config.model, 4);
        torch::NoGradGuard no_grad;
        const auto from = trainer.parts().model->named_weights();
        auto to = model->named_weights();
        for (size_t i = 0; i < from.size(); ++i) to[i].second.copy_(from[i].second);
        const auto result = evaluate(model, *trainer.parts().test_set, *trainer.parts().test_recipe,
                                     {.batch_size = 2, .limit = limit, .ranks = &ranks, .shuffle_seed = std::nullopt, .title = "", .rows = &rows, .scores = &scores});
        ranks.finish();
        const std::lock_guard lock(mutex);
        REQUIRE(result);
        if (expected.empty()) {
          expected = rows;
          sums = *result;
        }
        CHECK(result->views.count == limit);
        CHECK(result->views.correct1 == sums.views.correct1);
        CHECK(result->views.loss_sum == sums.views.loss_sum);
        CHECK(samples_csv(rows) == samples_csv(expected));
        CHECK(static_cast<int64_t>(scores.samples.size()) == limit);
      });
    }
  }
}

TEST_CASE("ranks: parts of an evaluation survive the way between processes", "[ranks]") {
  EvaluationPart part{7, {3, 2, 3, 1.5}, {1, 1, 1, 0.25}, {Row{1, 0, 2, 0.5, 0.1}}, {}, {2, {1}, {0.25, 0.75}, {0, 1}}};
  std::vector<EvaluationPart> back;
  decode(encode({part, EvaluationPart{8}}), back);
  REQUIRE(back.size() == 2);
  CHECK((back[0].batch == 7 && back[0].views.loss_sum == 1.5 && back[0].rows.at(0).label == 2 && back[0].scores.probability == part.scores.probability && back[1].batch == 8));
  std::vector<EvaluationPart> none;
  const auto bytes = encode({part});
  CHECK_THROWS_WITH(decode(bytes.substr(0, bytes.size() - 1), none), Catch::Contains("too short"));
}

TEST_CASE("ranks: a run goes on with another number of ranks, in the same order of samples", "[ranks]") {
  TemporaryFolder folder;
  const auto run = [&](const std::string& name, int64_t size, int64_t steps) {
    std::map<std::string, torch::Tensor> weights;
    double top1 = 0;
    in_ranks(size, [&](Ranks& ranks) {
      Trainer trainer(tiny_run(folder.path() / name, everything_on() + std::vector<std::string>{"train.precision=fp64", "loader.workers=0", "train.steps=" + std::to_string(steps)}), torch::kCPU, &ranks);
      CHECK(trainer.run(ResumeMode::kAuto) == ExitCode::kDone);
      if (!ranks.is_first()) return;
      weights = weights_of(trainer);
      top1 = trainer.state().evaluated.views.loss();
    });
    return std::pair(weights, top1);
  };
  const auto whole = run("whole", 1, 9);
  run("parts", 2, 3);
  run("parts", 1, 6);
  const auto parts = run("parts", 3, 9);
  CHECK(difference(whole.first, parts.first) <= 1e-10);
  CHECK(parts.second == Approx(whole.second).epsilon(1e-9));
  CHECK(fs::exists(folder.path() / "parts/summary.json"));
}
