#include "train/eval/attention_maps.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"
#include "core/signals.h"
#include "data/browse.h"
#include "data/loader.h"
#include "data/png.h"
#include "models/autocast.h"
#include "train/eval/session.h"
#include "train/eval/text.h"
#include "train/loader_options.h"

namespace liere {
namespace {

using nlohmann::json;

constexpr int64_t kPictureSide = 112;  // pixels of the larger side, at least

/// Viridis at nine even steps.
constexpr std::array<std::array<double, 3>, 9> kViridis = {{{68, 1, 84}, {71, 44, 122}, {59, 81, 139}, {44, 113, 142}, {33, 144, 141}, {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37}}};

std::array<uint8_t, 3> colour(double value) {
  const double place = std::clamp(value, 0.0, 1.0) * (kViridis.size() - 1);
  const auto step = std::min<size_t>(static_cast<size_t>(place), kViridis.size() - 2);
  const double share = place - static_cast<double>(step);
  std::array<uint8_t, 3> rgb;
  for (size_t c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(std::lround(kViridis[step][c] * (1 - share) + kViridis[step + 1][c] * share));
  return rgb;
}

/// `count` samples evenly spread over the test set, which is often sorted by class.
std::vector<int64_t> spread(int64_t size, int64_t count) {
  std::vector<int64_t> samples;
  count = std::min(count, size);
  for (int64_t i = 0; i < count; ++i) samples.push_back(i * size / count);
  return samples;
}

/// The middle picture of a clip or volume.
Frames middle(const Frames& frames) {
  auto shape = frames.shape();
  const int64_t index = shape.frames / 2;
  shape.frames = 1;
  Frames one(PixelType::kU8, shape);
  std::copy_n(frames.u8() + index * shape.elements(), shape.elements(), one.u8());
  return one;
}

/// What the model sees of a sample, for people.
Frames shown(const Dataset& dataset, const Recipe& recipe, int64_t sample) {
  const auto source = dataset.open(sample);
  const auto plan = recipe.plan(source->info(), Rng(0, Purpose::kAugmentation, 0, static_cast<uint64_t>(sample), 0), 0);
  return middle(picture_of(plan, source->decode(plan.request), recipe, source->info().name));
}

}  // namespace

AttentionFigures attention_figures(const torch::Tensor& probability_BHT) {
  const auto mean_BT = probability_BHT.to(torch::kFloat64).mean(1);
  AttentionFigures figures;
  figures.cls_B = mean_BT.select(1, 0);
  figures.patches_BN = mean_BT.narrow(1, 1, mean_BT.size(1) - 1);
  const auto share_BN = figures.patches_BN / figures.patches_BN.sum(1, /*keepdim=*/true).clamp_min(1e-300);
  const double patches = static_cast<double>(share_BN.size(1));
  figures.entropy_B = patches > 1 ? -at::xlogy(share_BN, share_BN).sum(1) / std::log(patches) : at::zeros_like(figures.cls_B);
  return figures;
}

Frames attention_picture(const torch::Tensor& patches_N, int64_t rows, int64_t columns, int64_t patch_rows, int64_t patch_columns) {
  const auto values = patches_N.to(torch::kFloat64).contiguous();
  if (values.numel() != rows * columns) throw Error(ExitCode::kFailure, "attention_picture: the values are not rows x columns.");
  const double least = values.min().item<double>(), range = values.max().item<double>() - least;
  Frames picture(PixelType::kU8, {1, rows * patch_rows, columns * patch_columns, 3});
  uint8_t* pixel = picture.u8();
  for (int64_t y = 0; y < rows * patch_rows; ++y)
    for (int64_t x = 0; x < columns * patch_columns; ++x) {
      const double value = values.const_data_ptr<double>()[y / patch_rows * columns + x / patch_columns];
      const auto rgb = colour(range > 0 ? (value - least) / range : 0);
      pixel = std::copy(rgb.begin(), rgb.end(), pixel);
    }
  return picture;
}

TestOutput attention_test(EvalSession& session) {
  const auto& config = session.config();
  if (config.model.axes() == 1) throw ConfigError("--test attention draws the attention over a picture, but this model's input has one axis. Use it on models of pictures, videos or volumes.");
  torch::NoGradGuard no_grad;
  auto& model = session.trained().model;
  const auto device = session.trained().device;
  const auto& dataset = session.test_set();
  const auto recipe = session.recipe();
  const auto samples = spread(dataset.size(), config.eval.attention_samples);
  const auto grid = model->grid(config.model.input_size);
  const auto rotations = model->position().rotations(grid, /*with_gradient=*/false);
  const size_t axes = grid.now.size();
  const int64_t rows = grid.now[axes - 2], columns = grid.now[axes - 1], plane = rows * columns, middle_plane = axes == 3 ? grid.now[0] / 2 : 0;
  const auto& patch = config.model.patch;

  const auto depth = static_cast<size_t>(*config.model.depth);
  std::vector<double> cls(depth, 0), entropy(depth, 0);
  std::vector<Frames> pictures;
  std::vector<std::string> captions;
  std::string table = "sample\tlayer\ttoken\tattention\n";
  Loader loader(dataset, *recipe, /*seed=*/0, loader_options(config.loader, device), evaluation_plan(samples, 1, 0, 1));
  for (const int64_t sample : samples) {
    if (stop_requested()) throw Stopped{};
    const auto batch = loader.next();
    std::vector<torch::Tensor> attention;
    ForwardOptions options;
    options.cls_attention = &attention;
    {
      AutocastScope autocast(device.type(), config.train.precision == Precision::kBf16);
      model->forward(batch->input.to(device, parameter_dtype(config.train.precision)), rotations, options);
    }
    pictures.push_back(shown(dataset, *recipe, sample));
    const int64_t label = batch->targets_BC.defined() ? -1 : batch->labels_B[0].item<int64_t>();  // several labels have no one name
    captions.push_back("sample " + std::to_string(sample) + (label < 0 ? "" : ": " + session.trained().info.class_names.at(static_cast<size_t>(label))));
    for (size_t layer = 0; layer < depth; ++layer) {
      const auto figures = attention_figures(attention[layer].to(torch::kCPU));
      cls[layer] += figures.cls_B[0].item<double>();
      entropy[layer] += figures.entropy_B[0].item<double>();
      const auto patches_N = figures.patches_BN[0];
      for (int64_t token = 0; token < patches_N.size(0); ++token) {
        char line[80];
        std::snprintf(line, sizeof line, "%ld\t%zu\t%ld\t%.6g\n", static_cast<long>(sample), layer, static_cast<long>(token), patches_N[token].item<double>());
        table += line;
      }
      pictures.push_back(attention_picture(patches_N.narrow(0, middle_plane * plane, plane), rows, columns, patch[axes - 2], patch[axes - 1]));
      captions.push_back("layer " + std::to_string(layer + 1));
    }
  }
  TestOutput output;
  output.files["attention.png"] = encode_png(contact_sheet(pictures, captions, static_cast<int64_t>(depth) + 1, magnification(pictures[0].shape(), kPictureSide)));
  output.files["attention.tsv"] = table;
  const std::string caption = "Attention of the CLS token to the patches, mean over the heads, each map scaled to 0..1; " + encoding_label(config.model.position);
  output.files["attention.json"] = json{{"pictures", {{{"file", "attention.png"}, {"caption", caption}}}}}.dump(2) + "\n";
  auto layers = json::array();
  for (size_t layer = 0; layer < depth; ++layer)
    layers.push_back({{"layer", layer + 1}, {"cls", cls[layer] / static_cast<double>(samples.size())}, {"entropy", entropy[layer] / static_cast<double>(samples.size())}});
  output.result = {{"samples", samples.size()}, {"layers", layers}, {"pictured", samples}};
  return output;
}

std::string describe_attention(const json& result) {
  std::vector<std::vector<std::string>> rows = {{"layer", "kept by CLS", "spread over patches (1: even)"}};
  for (const auto& row : result.at("layers")) rows.push_back({std::to_string(row.at("layer").get<int64_t>()), fixed_text(number_in(row, "cls"), 3), fixed_text(number_in(row, "entropy"), 3)});
  return aligned_text(rows) + "  mean over " + std::to_string(result.at("pictured").size()) + " samples; the maps are in attention.png, their figures in attention.tsv\n";
}

}  // namespace liere
