// A checkpoint of another architecture, encoding or class count: what differs is listed, the keys first, with the way to start from its weights.
#include <torch/torch.h>

#include "core/check.h"
#include "models/vit.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"
#include "train/checkpoint.h"
#include "train/experiment.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

struct Other {
  std::string config;
  std::vector<std::string> overrides;
  std::string key;     // listed as "key: here X, there Y"
  std::string tensor;  // listed with its shapes, or as missing or superfluous; empty where all tensors fit
};

ExperimentConfig config_of(const std::string& name, const std::vector<std::string>& overrides) {
  return load_experiment((fs::path(LIERE_SOURCE_DIR) / "configs" / name).string(), overrides).config;
}

NamedTensors model_tensors(const ExperimentConfig& config) {
  Vit model(config.model, class_count(config.data.dataset));
  model->initialize(config.seed);
  return model->named_weights();
}

}  // namespace

TEST_CASE("what differs between a checkpoint and the run that wants to resume it is listed", "[checkpoint]") {
  const std::string tiny = "arrows_tiny_liere.yaml", cifar = "cifar100_small_liere_8.yaml";
  const std::vector<Other> cases = {
      {tiny, {"model.position.kind=none"}, "model.position.kind: here none, there its default", "generators: not in the model"},
      {tiny, {"model.position.kind=absolute"}, "model.position.kind: here absolute, there its default", "position_embedding: missing in the file"},
      {tiny, {"model.position.kind=rope_mixed"}, "model.position.kind: here rope_mixed, there its default", "generators: the file has"},
      {tiny, {"model.position.kind=visionllama"}, "model.position.kind: here visionllama, there its default", "generators: not in the model"},
      {tiny, {"model.position.kind=rope"}, "model.position.kind: here rope, there its default", "generators: not in the model"},
      {tiny, {"model.position.block_size=4"}, "model.position.block_size: here 4, there 8", "generators: the file has"},
      {tiny, {"model.position.share=layers"}, "model.position.share: here layers, there", "generators: the file has"},
      {tiny, {"model.depth=3"}, "model.depth: here 3, there 2", "missing in the file"},
      {tiny, {"model.width=32"}, "model.width: here 32, there 64", "the file has [64"},
      {tiny, {"model.mlp=32"}, "model.mlp: here 32, there 64", "the file has [64"},
      {cifar, {"model.patch=[4,4]"}, "model.patch: here ", "the file has"},
      {tiny, {"train.precision=fp64"}, "train.precision: here fp64, there", ""},
      {tiny, {"optimizer.lr=0.5"}, "optimizer.lr: here 0.5, there", ""},
      {cifar, {"data.kind=cifar10"}, "data.kind: here cifar10, there", "the file has [100"}};
  const TemporaryFolder folder;
  for (const auto& other : cases) {
    const auto there = config_of(other.config, {}), here = config_of(other.config, other.overrides);
    const auto path = checkpoint_path(folder.path(), 1);
    CheckpointInfo info;
    info.identity_lines = identity_lines(there);
    const auto stored = model_tensors(there);
    save_checkpoint(path, stored, info);
    auto tensors = model_tensors(here);
    {
      torch::NoGradGuard no_grad;
      for (auto& [name, tensor] : tensors) tensor.zero_();
    }
    std::string message;
    try {
      load_checkpoint(path, tensors, CheckpointPart::kEverything, identity_lines(here));
    } catch (const CheckpointError& error) {
      message = error.what();
    }
    INFO(other.overrides[0] << "\n" << message);
    CHECK_THAT(message, has(other.key) && has(other.tensor) && has("init.checkpoint=" + path.string()));
    if (!other.tensor.empty()) CHECK(message.find(other.key) < message.find(other.tensor));
    for (const auto& [name, tensor] : tensors) CHECK(tensor.abs().sum().item<double>() == 0);  // nothing was copied
    auto fitting = model_tensors(there);
    CHECK_NOTHROW(load_checkpoint(path, fitting, CheckpointPart::kEverything, identity_lines(there)));
  }
}
