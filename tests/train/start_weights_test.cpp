// init.checkpoint, the holdout and evaluation with averaged weights, as a run sees them.
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tiny_run.h"
#include "train/weights_import.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("init.checkpoint: weights only, the same model bit for bit, and its digest is part of the identity", "[init]") {
  TemporaryFolder folder;
  Trainer source(tiny_run(folder.path() / "source", {"train.epochs=1"}), torch::kCPU);
  source.run(ResumeMode::kAuto);
  const auto init = "init.checkpoint=" + (folder.path() / "source").string();
  Trainer tuned(tiny_run(folder.path() / "tuned", {init, "seed=4", "train.steps=1", "optimizer.lr=1e-12"}), torch::kCPU);
  tuned.run(ResumeMode::kAuto);
  CHECK(tuned.state().step == 1);  // no step count came along
  const auto expected = weights_of(source), found = weights_of(tuned);
  for (const auto& [name, tensor] : expected) CHECK((tensor - found.at(name)).abs().max().item<double>() < 1e-10);
  CHECK(read_file(folder.path() / "tuned/config.yaml").find("digest: ") != std::string::npos);
  // The same folder with other start weights is another run.
  Trainer(tiny_run(folder.path() / "other", {"train.epochs=1", "seed=9"}), torch::kCPU).run(ResumeMode::kAuto);
  CHECK_THROWS_AS(Trainer(tiny_run(folder.path() / "tuned", {"init.checkpoint=" + (folder.path() / "other").string(), "seed=4"}), torch::kCPU).run(ResumeMode::kAuto), CheckpointError);
  CHECK_THROWS_AS(Trainer(tiny_run(folder.path() / "x", {init, "init.digest=0123456789abcdef"}), torch::kCPU), CheckpointError);
  CHECK_THROWS_AS(Trainer(tiny_run(folder.path() / "x", {"init.checkpoint=" + (folder.path() / "nowhere").string()}), torch::kCPU), CheckpointError);
}

TEST_CASE("init.checkpoint: another grid interpolates the position table, another head or encoding starts anew, and all of it is listed", "[init]") {
  TemporaryFolder folder;
  Trainer(tiny_run(folder.path() / "source", {"train.steps=1", "model.position.kind=absolute"}), torch::kCPU).run(ResumeMode::kAuto);
  const auto source = folder.path() / "source";
  auto config = tiny_run(folder.path() / "x", {"model.position.kind=absolute"}).config.model;
  const auto trained = config.input_size;
  for (auto& size : config.input_size) size *= 2;
  Vit larger(config, 7);
  larger->initialize(5);
  const auto import = import_weights(*larger, source.string());
  REQUIRE(import.interpolated.size() == 1);
  CHECK(import.interpolated[0].starts_with("position_embedding"));
  CHECK(import.fresh.size() == 2);  // head.weight and head.bias: 7 classes, not 4
  CHECK(import.fresh[0].find("head.") == 0);
  CHECK(import.unused.empty());
  const auto text = describe_import(import);
  CHECK(text.find("head.weight: the file has [4, 32], the model [7, 32]") != std::string::npos);

  auto other = tiny_run(folder.path() / "x").config.model;
  Vit liere(other, 4);
  liere->initialize(5);
  const auto listed = import_weights(*liere, source.string());
  CHECK(listed.fresh == std::vector<std::string>{"generators: not in the file"});
  CHECK(listed.unused == std::vector<std::string>{"position_embedding: not in the model"});
  other.width = 64;
  other.heads = 2;
  other.mlp = 96;
  other.patch = {other.input_size[0], other.input_size[1]};
  Vit foreign(other, 9);
  foreign->initialize(5);
  CHECK_THROWS_AS(import_weights(*foreign, source.string()), CheckpointError);
}

TEST_CASE("a holdout is evaluated during training, chooses the best, and is never trained on, the test set is measured at the end", "[holdout]") {
  TemporaryFolder folder;
  const auto run = folder.path() / "run";
  Trainer trainer(tiny_run(run, {"data.holdout=12", "data.test_size=20"}), torch::kCPU);
  CHECK(trainer.parts().train_indices.size() == 60);
  CHECK(trainer.parts().validation_set().size() == 12);
  trainer.run(ResumeMode::kAuto);
  const auto summary = json::parse(read_file(run / "summary.json"));
  CHECK(summary["best"]["selected_on"] == "holdout");
  CHECK(summary["holdout"]["count"] == 12);
  CHECK(summary["final"]["count"] == 20);
  Trainer fraction(tiny_run(folder.path() / "half", {"data.holdout=12", "data.fraction=0.5"}), torch::kCPU);
  CHECK(fraction.parts().validation_set().size() == 12);
  CHECK(fraction.parts().train_indices.size() <= 36);
  CHECK(fraction.parts().train_indices.size() >= 24);
}

TEST_CASE("eval.weights=ema evaluates the average, and asks for one", "[ema]") {
  TemporaryFolder folder;
  CHECK_THROWS_AS(tiny_run(folder.path() / "x", {"eval.weights=ema"}), ConfigError);
  const auto losses = [&](const std::string& weights) {
    Trainer trainer(tiny_run(folder.path() / weights, {"ema.decay=0.99", "eval.weights=" + weights, "optimizer.lr=0.01"}), torch::kCPU);
    trainer.run(ResumeMode::kAuto);
    return std::pair{json::parse(read_file(folder.path() / weights / "summary.json"))["final"]["loss"].get<double>(), weights_of(trainer)};
  };
  const auto [raw_loss, raw] = losses("raw");
  const auto [ema_loss, ema] = losses("ema");
  CHECK(equal_bits(raw, ema));  // the training itself is the same
  CHECK(raw_loss != ema_loss);
}

TEST_CASE("the encoding's own rate: factor f on generators alone", "[optimizer]") {
  TemporaryFolder folder;
  const auto change = [&](const char* factor) {
    Trainer trainer(tiny_run(folder.path() / "x", {"train.precision=fp64", std::string("optimizer.encoding_lr_factor=") + factor}), torch::kCPU);
    const auto before = weights_of(trainer);
    trainer.step_once();
    const auto after = weights_of(trainer);
    return std::pair{(after.at("generators") - before.at("generators")), (after.at("head.weight") - before.at("head.weight"))};
  };
  const auto [slow, head] = change("1");
  const auto [quick, same_head] = change("8");
  CHECK(torch::equal(head, same_head));
  CHECK((quick - 8 * slow).abs().max().item<double>() <= 1e-12);
  CHECK(slow.abs().max().item<double>() > 1e-6);
}
