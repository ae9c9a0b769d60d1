// Evaluations of a tiny trained model: rows, sharing, recall from disk, moving average, stopping nothing half-way.
#include <torch/torch.h>

#include "core/binary_metrics.h"
#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/png.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/eval/session.h"
#include "train/eval/store.h"
#include "train/eval_tests.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

Experiment tiny(std::vector<std::string> overrides = {}) {
  std::vector<std::string> all = {"model.width=32", "model.heads=1", "model.depth=2", "model.mlp=32", "data.train_size=72", "data.test_size=43", "device=cpu", "train.precision=fp32", "eval.sizes=[60,84]"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/arrows_tiny_liere.yaml").string(), all);
}

/// A run folder with one checkpoint of a model with random weights; `average`, where given, is added as ema.NAME with this much more in every weight.
void make_run(const fs::path& run, const Experiment& experiment, std::optional<double> average = std::nullopt,
              const std::vector<std::string>& classes = {"up", "right", "down", "left"}) {
  const auto count = static_cast<int64_t>(classes.size());
  Vit model(experiment.config.model, count);
  model->initialize(3);
  auto tensors = model->named_weights();
  {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : tensors)
      if (name == "head.weight") tensor.mul_(30);  // so that predictions differ between samples
  }
  if (average)
    for (const auto& [name, tensor] : model->named_weights()) tensors.emplace_back("ema." + name, tensor.detach() + *average);
  tensors.emplace_back("optimizer.exp_avg.head.bias", torch::zeros({count}));
  CheckpointInfo info{RunState{.step = 7}, dump(experiment.config), identity_lines(experiment.config), classes, "tiny", 1};
  save_checkpoint(checkpoint_path(run, 7), tensors, info);
}

/// Pictures of noise, brighter for "yes", in class folders; and a model of two classes for them.
Experiment two_classes(const fs::path& root, int64_t train_each, int64_t test_each, const std::vector<std::string>& overrides) {
  uint32_t number = 0;
  for (const std::string name : {"no", "yes"})
    for (const auto& [part, each] : {std::pair{"train", train_each}, std::pair{"val", test_each}})
      for (int64_t i = 0; i < each; ++i) {
        Frames picture(PixelType::kU8, {1, 64, 64, 3});
        Rng rng(1, Purpose::kArrows, number++);
        for (int64_t p = 0; p < 64 * 64 * 3; ++p) picture.u8()[p] = static_cast<uint8_t>(rng.integer(200) + (name == "yes" ? 50 : 0));
        fs::create_directories(root / part / name);
        write_png(root / part / name / (std::to_string(i) + ".png"), picture);
      }
  std::vector<std::string> all = {"model.width=32", "model.heads=1", "model.depth=1", "model.mlp=32", "model.patch=[16,16]", "device=cpu", "data.root=" + root.string()};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/tiny_imagenet_liere_8.yaml").string(), all);
}

/// Labels that no model has a class for.
class Unlabelled : public Dataset {
 public:
  explicit Unlabelled(const Dataset& dataset) : dataset_(dataset) {}
  int64_t size() const override { return dataset_.size(); }
  int64_t label(int64_t) const override { return 999; }
  const std::vector<std::string>& class_names() const override { return dataset_.class_names(); }
  std::string describe() const override { return "without labels"; }
  std::unique_ptr<Source> open(int64_t index) const override {
    struct Hidden : Source {
      std::unique_ptr<Source> source;
      SourceInfo info() const override {
        auto info = source->info();
        info.label = 999;
        return info;
      }
      Frames decode(const Request& request) const override { return source->decode(request); }
    };
    auto hidden = std::make_unique<Hidden>();
    hidden->source = dataset_.open(index);
    return hidden;
  }

 private:
  const Dataset& dataset_;
};

nlohmann::json without_date(nlohmann::json object) {
  object.erase("date");
  return object;
}

}  // namespace

TEST_CASE("evaluation rows: every sample once and in order at any batch size, sums equal to the rows'", "[eval]") {
  TemporaryFolder folder;
  make_run(folder.path(), tiny());
  std::vector<std::vector<Row>> results;
  for (const char* batch : {"7", "43", "100"}) {
    auto trained = load_trained(folder.path().string(), {std::string("eval.batch_size=") + batch, "threads=1"});
    EvalSession session(trained);
    results.push_back(session.predictions().rows);
    const auto& rows = results.back();
    REQUIRE(rows.size() == 43);
    auto options = session.options("");
    const auto sums = evaluate(trained.model, session.test_set(), *session.recipe(), options);
    int64_t correct1 = 0, correct5 = 0;
    double loss = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      CHECK(rows[i].sample == static_cast<int64_t>(i));
      CHECK(rows[i].label == session.test_set().label(static_cast<int64_t>(i)));
      CHECK(rows[i].top == results[0][i].top);
      CHECK(rows[i].loss == Approx(results[0][i].loss).epsilon(1e-4).margin(1e-5));
      const double sum = rows[i].probability[0] + rows[i].probability[1] + rows[i].probability[2] + rows[i].probability[3];
      CHECK(sum == Approx(1).epsilon(1e-12));
      CHECK(rows[i].top[4] == -1);
      for (size_t k = 0; k < 4; ++k)
        if (rows[i].top[k] == rows[i].label) CHECK(rows[i].loss == Approx(-std::log(rows[i].probability[k])).epsilon(1e-4).margin(1e-5));
      correct1 += rows[i].correct1();
      correct5 += rows[i].correct5();
      loss += rows[i].loss;
    }
    CHECK(sums->views.correct1 == correct1);
    CHECK(sums->views.correct5 == correct5);
    CHECK(sums->views.loss_sum == Approx(loss).epsilon(1e-12));
  }
  auto trained = load_trained(folder.path().string(), {});
  EvalSession session(trained);
  auto options = session.options("");
  options.indices = {40, 3, 11};
  const auto rows = session.evaluate_rows(session.test_set(), *session.recipe(), options).rows;
  REQUIRE(rows.size() == 3);
  CHECK((rows[0].sample == 40 && rows[1].sample == 3 && rows[2].sample == 11));
  CHECK(rows[1].top == results[0][3].top);
}

TEST_CASE("predictions without labels are accuracy's top-1, and labels that do not fit are refused", "[eval]") {
  TemporaryFolder folder;
  make_run(folder.path(), tiny());
  auto trained = load_trained(folder.path().string(), {});
  EvalSession session(trained);
  const auto& rows = session.predictions().rows;
  const Unlabelled hidden(session.test_set());
  auto options = session.options("");
  CHECK_THROWS_WITH(session.evaluate_rows(hidden, *session.recipe(), options), has("label 999") && has("4 classes"));
  options.labels = false;
  const auto predicted = session.evaluate_rows(hidden, *session.recipe(), options).rows;
  REQUIRE(predicted.size() == rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(predicted[i].top == rows[i].top);
    CHECK(predicted[i].probability == rows[i].probability);
    CHECK(predicted[i].label == -1);
    CHECK(std::isnan(predicted[i].loss));
  }
}

TEST_CASE("gradients of new models: finite, the backbone the same for every encoding, none of the generators without rotations", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  make_run(run, tiny({"model.width=64"}));
  auto trained = open_trained(run.string(), {});
  const auto result = run_eval_test(trained, "gradients", "");
  CHECK(result.at("samples") == 32);
  const auto& rows = result.at("initial");
  REQUIRE(rows.size() == 1 + 2 * 6);  // none; blocks 2 to 64, two starts each
  CHECK(rows[0].at("label") == "none");
  CHECK(rows[0].at("generators_norm").is_null());
  for (const auto& row : rows) {
    CHECK(row.at("non_finite") == 0);
    CHECK(row.at("gradient_norm").get<double>() > 0);
    CHECK(row.at("orthogonality").get<double>() < 1e-4);
    if (row.contains("block_size")) CHECK(row.at("generators_norm").get<double>() > 0);
    if (row.contains("block_size")) CHECK(row.at("generators_norm").get<double>() < row.at("gradient_norm").get<double>());
  }
  CHECK(result.at("trained").at("loss").get<double>() != rows[0].at("loss").get<double>());
}

TEST_CASE("the suite of the paper asks what a model can answer", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  make_run(run, tiny());
  auto trained = open_trained(run.string(), {});
  CHECK(suite_tests("paper", trained) == std::vector<std::string>{"accuracy", "shuffle", "resolution", "random-rotations", "orthogonality", "gradients", "attention", "per-class", "calibration"});
  CHECK_THROWS_WITH(suite_tests("papers", trained), has("Expected paper"));
  make_run(folder.path() / "plain", tiny({"model.position.kind=absolute"}));
  auto plain = open_trained((folder.path() / "plain").string(), {});
  for (const auto& name : suite_tests("paper", plain)) CHECK(name != "random-rotations");

  auto sized = open_trained(run.string(), {});
  sized.config.eval.sizes.clear();
  sized.config.data.dataset = Cifar100Config{};
  sized.config.model.input_size = {32, 32};
  sized.config.model.patch = {8, 8};
  suite_tests("paper", sized);
  CHECK(sized.config.eval.sizes == std::vector<int64_t>{32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512});
  sized.config.eval.sizes.clear();
  sized.config.model.patch = {4, 4};
  suite_tests("paper", sized);
  CHECK(sized.config.eval.sizes.back() == 256);  // 64 x 64 tokens

  std::vector<std::string> seen;
  run_eval_tests({run.string(), (folder.path() / "plain").string()}, {"eval.limit=10"}, {.tests = {"accuracy"}}, [&](const EvalResult& result) { seen.push_back(result.object.at("label")); });
  CHECK(seen == std::vector<std::string>{"LieRE_8", "absolute"});
  CHECK_THROWS_WITH(run_eval_tests({"a", "b"}, {}, {.tests = {"accuracy"}, .output = "x"}, [](const EvalResult&) {}), has("--output"));
}

TEST_CASE("every test writes its files, a second call is answered from disk, also without weights and data", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  make_run(run, tiny());
  std::vector<std::string> names;
  for (const auto& test : eval_tests())
    if (test.name != "shuffle-frames" && test.name != "detection") names.emplace_back(test.name);
  auto trained = open_trained(run.string(), {"eval.shuffle_seeds=2", "eval.resamples=50"});
  std::vector<nlohmann::json> first;
  run_eval_tests(trained, {.tests = names}, [&](const EvalResult& result) {
    CHECK_FALSE(result.cached);
    CHECK_FALSE(describe_result(result).empty());
    first.push_back(result.object);
  });
  REQUIRE(first.size() == names.size());
  CHECK_THROWS_WITH(run_eval_test(trained, "shuffle-frames", ""), has("trained on images"));
  CHECK_THROWS_WITH(run_eval_test(trained, "detection", ""), has("4 classes"));
  for (const auto& name : names) CHECK(fs::exists(run / "eval" / name / "eval.json"));
  CHECK(fs::exists(run / "eval/accuracy/samples.csv"));
  CHECK(fs::exists(run / "eval/predict/predictions.csv"));
  CHECK(fs::exists(run / "eval/per-class/per_class.csv"));
  CHECK(fs::exists(run / "eval/confusion/confusion.csv"));
  for (const char* name : {"attention.png", "attention.tsv", "attention.json"}) CHECK(fs::exists(run / "eval/attention" / name));

  auto again = open_trained(run.string(), {"eval.shuffle_seeds=2", "eval.resamples=50"});
  size_t i = 0;
  run_eval_tests(again, {.tests = names}, [&](const EvalResult& result) {
    CHECK(result.cached);
    CHECK(result.object == first[i++]);
    CHECK_THAT(describe_result(result), has("cached: evaluated on 2"));
  });
  CHECK(again.model.is_empty());  // nothing was loaded, hence nothing evaluated

  // --fresh evaluates again and finds the same: also the position rule was put back by the resolution test.
  auto fresh = open_trained(run.string(), {"eval.shuffle_seeds=2", "eval.resamples=50"});
  i = 0;
  run_eval_tests(fresh, {.tests = names, .fresh = true}, [&](const EvalResult& result) {
    CHECK_FALSE(result.cached);
    CHECK(without_date(result.object).at("files").size() == first[i].at("files").size());
    for (const char* key : {"top1", "loss", "results", "seeds", "per_token", "bins", "pairs", "classes", "trained"})
      if (first[i].contains(key)) CHECK(result.object.at(key) == first[i].at(key));
    ++i;
  });

  // Another key that the test reads: evaluated again. One that it does not read: not.
  auto other = open_trained(run.string(), {"eval.shuffle_seeds=1", "eval.resamples=50"});
  run_eval_tests(other, {.tests = {"accuracy", "shuffle"}}, [](const EvalResult& result) { CHECK(result.cached == (result.object.at("test") == "accuracy")); });
  auto limited = open_trained(run.string(), {"eval.limit=20"});
  CHECK(run_eval_test(limited, "accuracy", "").at("samples") == 20);
  CHECK_THROWS_AS(run_eval_test(limited, "acuracy", ""), ConfigError);
  CHECK_THROWS_AS(open_trained(run.string(), {"model.dropout=0.3"}), ConfigError);
  CHECK_THROWS_AS(open_trained((folder.path() / "nothing").string(), {}), CheckpointError);
}

TEST_CASE("detection: its threshold is the holdout's, and a call with another specificity evaluates again", "[eval][detection]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  make_run(run, two_classes(folder.path() / "data", 12, 9, {"data.holdout=6"}), std::nullopt, {"no", "yes"});
  const auto evaluated = [&run](const std::string& specificity) {
    auto trained = open_trained(run.string(), {"eval.resamples=50", "eval.specificity=" + specificity});
    std::vector<EvalResult> results;
    run_eval_tests(trained, {.tests = {"accuracy", "detection"}}, [&results](const EvalResult& result) { results.push_back(result); });
    return results;
  };
  const auto results = evaluated("0.75");
  const auto& detection = results[1].object;
  const auto& finding = detection.at("findings").at(0);
  CHECK(finding.at("name") == "yes");
  CHECK((detection.at("count") == 18 && detection.at("groups") == 18 && finding.at("positives") == 9));
  CHECK(detection.at("validation").at("count") == 6);
  CHECK(finding.at("accuracy").get<double>() == Approx(results[0].object.at("top1").get<double>()));
  CHECK(finding.at("majority") == 50);
  for (const char* file : {"scores.csv", "roc.gp", "reliability.gp", "eval.json"}) CHECK(fs::exists(run / "eval/detection" / file));
  CHECK_THAT(describe_result(results[1]), has("threshold for specificity 75.0 % on 6 samples"));

  auto trained = load_trained(run.string(), {});
  EvalSession session(trained);
  const auto scores = session.evaluate_scores(*session.validation_set(), "");
  REQUIRE((scores.size() == 6 && scores.classes == 2));
  std::vector<double> probability;
  std::vector<uint8_t> labels;
  for (size_t i = 0; i < 6; ++i) {
    CHECK(scores.targets[2 * i + 1] == static_cast<double>(session.validation_set()->label(static_cast<int64_t>(i))));
    probability.push_back(scores.probability[2 * i + 1]);
    labels.push_back(scores.targets[2 * i + 1] == 1);
  }
  CHECK(std::count(labels.begin(), labels.end(), 1) == 3);
  CHECK(finding.at("threshold").get<double>() == Approx(BinaryScores(probability, labels).threshold_at_specificity(0.75)).epsilon(1e-9));

  for (const auto& again : evaluated("0.75")) CHECK(again.cached);
  for (const auto& again : evaluated("0.5")) CHECK(again.cached == (again.object.at("test") == "accuracy"));
  const auto whole = folder.path() / "whole";
  make_run(whole, two_classes(folder.path() / "data", 12, 9, {}), std::nullopt, {"no", "yes"});
  auto without = open_trained(whole.string(), {"eval.resamples=50"});
  const auto result = run_eval_test(without, "detection", "");
  CHECK((result.at("validation").is_null() && result.at("findings").at(0).at("threshold").is_null() && result.at("findings").at(0).at("sensitivity").is_null()));
  CHECK(result.at("findings").at(0).at("auroc") == finding.at("auroc"));
}

TEST_CASE("a result outlives its data, but not its checkpoint", "[eval]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  const auto cifar = load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs/cifar100_liere_8.yaml").string(),
                                     {"model.preset=custom", "model.width=16", "model.depth=1", "model.heads=1", "model.mlp=16", "data.root=" + (folder.path() / "gone").string()});
  make_run(run, cifar);
  auto trained = open_trained(run.string(), {});
  const auto keys = EvalSession(trained).keys(find_eval_test("accuracy"));
  const auto stored = store_result(run / "eval/accuracy", {{"test", "accuracy"}, {"top1", 12.5}}, keys, {});
  CHECK(run_eval_test(trained, "accuracy", "") == stored);
  CHECK_THROWS_AS(run_eval_test(trained, "accuracy", "", /*fresh=*/true), DataError);
  auto elsewhere = open_trained(run.string(), {"data.root=" + folder.path().string()});
  CHECK_THROWS_AS(run_eval_test(elsewhere, "accuracy", ""), DataError);  // other data: not the stored result's
  make_run(run, cifar, 0.0);
  auto other = open_trained(run.string(), {});
  CHECK(other.digest != trained.digest);
  CHECK_THROWS_AS(run_eval_test(other, "accuracy", ""), DataError);
}

TEST_CASE("eval.weights=ema evaluates the moving average, and says so", "[eval]") {
  TemporaryFolder folder;
  const auto rows_of = [&](const char* name, const char* weights) {
    auto trained = load_trained((folder.path() / name).string(), {std::string("eval.weights=") + weights, "threads=1"});
    EvalSession session(trained);
    CHECK(session.head(find_eval_test("accuracy")).at("weights") == weights);
    return session.predictions().rows;
  };
  const auto losses = [](const std::vector<Row>& rows) {
    std::vector<double> values;
    for (const auto& row : rows) values.push_back(row.loss);
    return values;
  };
  make_run(folder.path() / "equal", tiny(), 0.0);
  make_run(folder.path() / "other", tiny(), 0.05);
  make_run(folder.path() / "none", tiny());
  CHECK(losses(rows_of("equal", "ema")) == losses(rows_of("equal", "raw")));
  CHECK(losses(rows_of("other", "ema")) != losses(rows_of("other", "raw")));
  CHECK(losses(rows_of("other", "raw")) == losses(rows_of("none", "raw")));
  try {
    (void)rows_of("none", "ema");
    FAIL("a checkpoint without a moving average was evaluated as one");
  } catch (const CheckpointError& error) {
    CHECK_THAT(error.what(), has("ema.decay") && has("eval.weights=raw"));
  }
  // The generators are the average's: so are the rotations.
  auto raw = load_trained((folder.path() / "other").string(), {}), ema = load_trained((folder.path() / "other").string(), {"eval.weights=ema"});
  const auto grid = raw.model->grid({60, 60});
  CHECK_FALSE(torch::equal(raw.model->position().rotations(grid, false).value, ema.model->position().rotations(grid, false).value));
}
