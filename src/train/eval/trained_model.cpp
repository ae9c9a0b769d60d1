#include "train/eval/trained_model.h"

#include "core/check.h"
#include "core/safetensors.h"
#include "train/evaluator.h"

namespace liere {

TrainedModel open_trained(const std::string& checkpoint, const std::vector<std::string>& overrides) {
  TrainedModel trained;
  trained.checkpoint = choose_checkpoint(checkpoint);
  const auto& file = trained.checkpoint.file;
  trained.info = read_checkpoint_info(file);
  trained.digest = safetensors::File::open(file).metadata().at("xxh3.header");
  auto node = parse_config(trained.info.config, file.string());
  apply_overrides(node, overrides);
  decode(node, trained.config);
  resolve(trained.config);
  if (const auto lines = compare_identity(identity_lines(trained.config), trained.info.identity_lines); !lines.empty()) {
    std::string message = "these keys are part of what was trained and cannot be changed in an evaluation:";
    for (const auto& line : lines) message += "\n  " + line;
    throw ConfigError(message + "\nLeave them out; data.root, eval.*, loader.*, augment.clip.segments and .crops, device and threads may be set.");
  }
  trained.device = open_device(trained.config);
  return trained;
}

void load_weights(TrainedModel& trained) {
  if (!trained.model.is_empty()) return;
  Vit model(trained.config.model, static_cast<int64_t>(trained.info.class_names.size()));
  model->to(torch::kCPU, parameter_dtype(trained.config.train.precision));
  load_checkpoint(trained.checkpoint.file, model->named_weights(), trained.config.eval.weights == EvalWeights::kEma ? CheckpointPart::kAverage : CheckpointPart::kWeights);
  model->to(trained.device);
  trained.model = model;
}

TrainedModel load_trained(const std::string& checkpoint, const std::vector<std::string>& overrides) {
  auto trained = open_trained(checkpoint, overrides);
  load_weights(trained);
  return trained;
}

}  // namespace liere
