// Test `gradients`: what one step's gradients are over block sizes and starts of the generators, and of the model as trained (a question of the paper's table of
// initialisations: does a wide start disturb training?). Fresh models share the backbone's initial values, keyed by their names, so the encoding alone differs.
#include <cmath>
#include <numbers>

#include "core/signals.h"
#include "data/loader.h"
#include "models/autocast.h"
#include "train/eval/session.h"
#include "train/eval/text.h"
#include "train/loader_options.h"
#include "train/loss.h"

namespace liere {
namespace {

using nlohmann::json;

constexpr int64_t kSamples = 32;

/// One forward and backward pass without dropout over `batch`.
json step_gradients(Vit& model, const ExperimentConfig& config, torch::Device device, const Batch& batch) {
  for (auto& [name, tensor] : model->named_weights()) tensor.mutable_grad().reset();
  const auto grid = model->grid(config.model.input_size);
  const auto rotations = model->position().rotations(grid, /*with_gradient=*/true);
  torch::Tensor logits_BC;
  {
    AutocastScope autocast(device.type(), config.train.precision == Precision::kBf16);
    logits_BC = model->forward(batch.input.to(device, parameter_dtype(config.train.precision)), rotations);
  }
  logits_BC = logits_BC.to(torch::promoteTypes(logits_BC.scalar_type(), torch::kFloat32));
  const double samples = static_cast<double>(logits_BC.size(0));
  const auto loss = (batch.targets_BC.defined() ? soft_loss_sum(config.loss, logits_BC, batch.targets_BC.to(device, logits_BC.scalar_type()))
                                                : loss_sum(config.loss, logits_BC, batch.labels_B.to(device))) / samples;
  loss.backward();
  model->position().accumulate_gradients(rotations, grid);
  double all = 0, generators = std::nan("");
  int64_t non_finite = 0;
  for (auto& [name, tensor] : model->named_weights()) {
    if (!tensor.grad().defined()) continue;
    const auto gradient = tensor.grad().to(torch::kFloat64);
    const double square = gradient.square().sum().item<double>();
    all += square;
    non_finite += (~gradient.isfinite()).sum().item<int64_t>();
    if (name == "generators") generators = std::sqrt(square);
    tensor.mutable_grad().reset();
  }
  const auto number = [](double value) { return std::isfinite(value) ? json(value) : json(); };
  return {{"loss", number(loss.item<double>())}, {"gradient_norm", number(std::sqrt(all))}, {"generators_norm", number(generators)}, {"non_finite", non_finite},
          {"orthogonality", number(orthogonality_error(rotations))}};
}

}  // namespace

TestOutput gradients_test(EvalSession& session) {
  auto config = session.config();
  config.model.dropout = config.model.drop_path = 0;
  auto& trained = session.trained();
  const auto& dataset = session.test_set();
  std::vector<int64_t> samples;
  const int64_t count = std::min(kSamples, dataset.size());
  for (int64_t i = 0; i < count; ++i) samples.push_back(i * dataset.size() / count);
  const auto recipe = session.recipe();
  Loader loader(dataset, *recipe, /*seed=*/0, loader_options(config.loader, trained.device), evaluation_plan(samples, count, 0, 1));
  const auto batch = loader.next();

  TestOutput output;
  output.result = {{"samples", count}, {"trained", step_gradients(trained.model, config, trained.device, *batch)}};
  auto list = json::array();
  const auto classes = static_cast<int64_t>(trained.info.class_names.size());
  const auto rule = position_rule(config.model.position).value_or(PositionRule::kSequential);
  const auto add = [&](const PositionConfig& position, json row) {
    if (stop_requested()) throw Stopped{};
    config.model.position = position;
    Vit model(config.model, classes);
    model->initialize(config.seed);
    model->to(trained.device, parameter_dtype(config.train.precision));
    row.update(step_gradients(model, config, trained.device, *batch));
    row["label"] = encoding_label(position);
    list.push_back(row);
  };
  add(NoPositionConfig{}, json::object());
  for (int64_t block = 2; block <= std::min<int64_t>(64, config.model.head_dim()); block *= 2) {
    if (config.model.head_dim() % block != 0) continue;
    for (const double scale : {1.0, 2 * std::numbers::pi}) {
      LiereConfig liere;
      liere.block_size = block;
      liere.init_scale = scale;
      liere.positions = rule;
      add(liere, {{"block_size", block}, {"init_scale", scale}});
    }
  }
  output.result["initial"] = list;
  return output;
}

std::string describe_gradients(const json& result) {
  std::vector<std::vector<std::string>> rows = {{"model", "start", "loss", "gradient norm", "of the generators", "max |R^T R - I|", "non-finite"}};
  const auto add = [&rows](const std::string& name, const std::string& start, const json& row) {
    rows.push_back({name, start, fixed_text(number_in(row, "loss"), 4), small_text(number_in(row, "gradient_norm")), small_text(number_in(row, "generators_norm")), small_text(number_in(row, "orthogonality")),
                    std::to_string(row.at("non_finite").get<int64_t>())});
  };
  add("as trained", "", result.at("trained"));
  for (const auto& row : result.at("initial")) add(row.at("label").get<std::string>(), !row.contains("init_scale") ? "" : number_in(row, "init_scale") == 1 ? "U[0, 1)" : "U[0, 2 pi)", row);
  return aligned_text(rows, 2) + "  one step over " + std::to_string(result.at("samples").get<int64_t>()) + " test samples, without dropout; new models start from the run's seed\n";
}

}  // namespace liere
