#include "workbench/learned_encoding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "core/check.h"
#include "core/checkpoint_format.h"
#include "core/config.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "models/axis_position.h"

namespace liere::report {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& what) { throw CheckpointError("'" + file.string() + "': " + what); }

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "" : ", ") + std::to_string(side);
  return "[" + text + "]";
}

/// One checkpoint, opened.
struct Weights {
  const safetensors::File& file;
  const fs::path& path;

  template <class T>
  std::vector<T> read(const std::string& name, const std::vector<int64_t>& shape) const {
    if (!file.contains(name)) fail(path, "expected a tensor '" + name + "', found none. Use a checkpoint that liere-train wrote.");
    const auto& info = file.info(name);
    if (info.shape != shape)
      fail(path, "expected '" + name + "' of shape " + shape_text(shape) + ", found " + shape_text(info.shape) +
                     ". It does not fit the configuration beside it; use another checkpoint.");
    const auto data = file.data(name);
    if (info.dtype == safetensors::Dtype::kF32) return converted<float, T>(data);
    if (info.dtype == safetensors::Dtype::kF64) return converted<double, T>(data);
    fail(path, "expected '" + name + "' as F32 or F64, found " + std::string(name_of(info.dtype)) + ". Use a checkpoint that liere-train wrote.");
  }

 private:
  template <class From, class To>
  static std::vector<To> converted(std::span<const std::byte> data) {
    std::vector<From> values(data.size() / sizeof(From));
    if (!values.empty()) std::memcpy(values.data(), data.data(), data.size());
    return {values.begin(), values.end()};
  }
};

const ConfigNode* find(const ConfigNode* node, const char* key) { return node && node->type == ConfigNode::Type::kMap ? node->find(key) : nullptr; }

bool is_null(const ConfigNode* node) { return !node || node->type == ConfigNode::Type::kNull; }

void read_configuration(const ConfigNode& root, LearnedEncoding& e) {
  const ConfigNode* model = root.find("model");
  if (!model) fail(e.file, "its configuration has no key 'model'. Use a checkpoint that liere-train wrote.");
  decode(*model, e.model);
  e.model.resolve();
  for (size_t axis = 0; axis < e.model.input_size.size(); ++axis) e.grid.push_back(e.model.input_size[axis] / e.model.patch[axis]);
  std::visit(
      [&](const auto& position) {
        e.kind = std::decay_t<decltype(position)>::kind;
        if constexpr (requires { position.positions; }) e.rule = position.positions;
      },
      e.model.position);
  e.label = encoding_label(e.model.position);
}

/// The generators that training began with (models/initialize.h).
std::vector<double> initial_generators(size_t count, uint64_t seed, double scale) {
  std::vector<float> values(count);
  fill_uniform(stream_key(named_seed(seed, "generators"), Purpose::kParameter), values.data(), static_cast<int64_t>(count), 0, scale);
  return {values.begin(), values.end()};
}

void read_learned(const Weights& weights, const ConfigNode& root, Share share, int64_t block, double init_scale, LearnedEncoding& e) {
  e.learned = true;
  e.block = block;
  e.stored_layers = share == Share::kLayers || share == Share::kBoth ? 1 : e.layers();
  e.stored_heads = share == Share::kHeads || share == Share::kBoth ? 1 : e.heads();
  e.generators = weights.read<double>("generators", {e.axes(), e.stored_layers, e.stored_heads, e.blocks(), e.entries()});
  const ConfigNode* init = root.find("init");
  const ConfigNode* seed = root.find("seed");
  if (is_null(find(init, "checkpoint")) && seed && seed->type == ConfigNode::Type::kScalar)
    e.start = initial_generators(e.generators.size(), std::strtoull(seed->scalar.c_str(), nullptr, 10), init_scale);
}

/// Axial RoPE (models/position/visionllama.h): pair a K + k turns by p_a exp(-4 k / (K - 1)).
void set_visionllama(LearnedEncoding& e) {
  const int64_t count = e.head_dim() / e.axes() / 2;
  e.block = 2;
  e.generators.assign(static_cast<size_t>(e.axes() * e.blocks()), 0.0);
  for (int64_t a = 0; a < e.axes(); ++a)
    for (int64_t k = 0; k < count; ++k)
      e.generators[static_cast<size_t>(a * e.blocks() + a * count + k)] =
          count == 1 ? -1.0 : -std::exp(-4.0 * static_cast<double>(k) / static_cast<double>(count - 1));
}

/// RoPE over the raster index (models/position/rope.h): pair k turns by t base^(-2k/d), t the sum of indices times strides.
void set_rope(double base, LearnedEncoding& e) {
  e.block = 2;
  e.rule = PositionRule::kIndex;
  e.generators.resize(static_cast<size_t>(e.axes() * e.blocks()));
  int64_t stride = 1;
  for (int64_t a = e.axes() - 1; a >= 0; stride *= e.grid[static_cast<size_t>(a--)])
    for (int64_t k = 0; k < e.blocks(); ++k)
      e.generators[static_cast<size_t>(a * e.blocks() + k)] =
          -static_cast<double>(stride) * std::pow(base, -2.0 * static_cast<double>(k) / static_cast<double>(e.head_dim()));
}

void read_position(const Weights& weights, const ConfigNode& root, LearnedEncoding& e) {
  bool table = e.kind == AbsoluteConfig::kind;
  std::visit(
      [&](const auto& position) {
        using Position = std::decay_t<decltype(position)>;
        if constexpr (requires { position.absolute; }) table = position.absolute;
        if constexpr (std::is_same_v<Position, LiereConfig>) read_learned(weights, root, position.share, position.block_size, position.init_scale, e);
        else if constexpr (std::is_same_v<Position, RopeMixedConfig>) read_learned(weights, root, position.share, 2, position.init_scale, e);
        else if constexpr (std::is_same_v<Position, VisionLlamaConfig>) set_visionllama(e);
        else if constexpr (std::is_same_v<Position, RopeConfig>) set_rope(position.base, e);
        else if constexpr (!std::is_same_v<Position, AbsoluteConfig> && !std::is_same_v<Position, NoPositionConfig>)
          fail(e.file, "the workbench does not know how '" + e.kind + "' turns queries and keys. Leave this run out.");
      },
      e.model.position);
  if (table) e.table = weights.read<float>("position_embedding", {1 + e.tokens(), *e.model.width});
}

void read_projections(const Weights& weights, LearnedEncoding& e) {
  const int64_t width = *e.model.width;
  for (int64_t layer = 0; layer < e.layers(); ++layer) {
    const std::string block = "block." + std::to_string(layer) + ".";
    Projection p;
    p.scale = weights.read<float>(block + "norm1.weight", {width});
    p.shift = weights.read<float>(block + "norm1.bias", {width});
    p.qk = weights.read<float>(block + "attention.qkv.weight", {3 * width, width});
    p.qk.resize(static_cast<size_t>(2 * width * width));
    p.bias.assign(static_cast<size_t>(2 * width), 0.0f);
    if (e.model.qkv_bias) {
      p.bias = weights.read<float>(block + "attention.qkv.bias", {3 * width});
      p.bias.resize(static_cast<size_t>(2 * width));
    }
    e.projections.push_back(std::move(p));
  }
}

fs::path choose_file(const fs::path& run) {
  std::error_code ignored;
  if (fs::is_regular_file(run, ignored)) return run;
  if (!fs::is_directory(run, ignored))
    throw CheckpointError("'" + run.string() + "' was not found: expected a run folder or a checkpoint (.safetensors). Check the path.");
  const auto newest = newest_valid_checkpoint(run);
  if (!newest)
    throw CheckpointError(
        "'" + run.string() +
        "' holds no checkpoint: expected checkpoints/step-NNNNNNNN.safetensors. Pass a folder that liere-train wrote, or a checkpoint's file.");
  return *newest;
}

/// RUN/checkpoints/FILE -> RUN; else the file's own name.
std::string name_of_run(const fs::path& file) {
  const fs::path folder = fs::weakly_canonical(file).parent_path();
  return folder.filename() == "checkpoints" ? folder.parent_path().filename().string() : file.stem().string();
}

}  // namespace

int64_t LearnedEncoding::tokens() const {
  int64_t product = 1;
  for (const int64_t m : grid) product *= m;
  return product;
}

std::vector<double> generators_of(const LearnedEncoding& e, const std::vector<double>& all, int64_t layer, int64_t head) {
  const int64_t l = e.stored_layers == 1 ? 0 : layer, h = e.stored_heads == 1 ? 0 : head, size = e.blocks() * e.entries();
  std::vector<double> out;
  for (int64_t a = 0; a < e.axes(); ++a) {
    const auto from = all.begin() + ((a * e.stored_layers + l) * e.stored_heads + h) * size;
    out.insert(out.end(), from, from + size);
  }
  return out;
}

namespace {

double position_along(const LearnedEncoding& e, int64_t axis, int64_t i, int64_t now) {
  const auto a = static_cast<size_t>(axis);
  double extent = 0;
  if (e.rule == PositionRule::kPhysical)
    extent =
        e.model.field_of_view[a] / e.model.reference_extent.value_or(*std::max_element(e.model.field_of_view.begin(), e.model.field_of_view.end()));
  return axis_position(e.rule, i, now, e.grid[a], extent);
}

}  // namespace

std::vector<double> token_positions(const LearnedEncoding& e, const std::vector<int64_t>& now) {
  int64_t tokens = 1;
  for (const int64_t m : now) tokens *= m;
  std::vector<double> out(static_cast<size_t>(tokens * e.axes()));
  int64_t inner = 1, trained_inner = 1;
  for (int64_t axis = e.axes() - 1; axis >= 0; --axis) {
    const auto a = static_cast<size_t>(axis);
    // rope counts tokens in raster order: on another grid an axis has another stride.
    const double stride = e.kind == RopeConfig::kind ? static_cast<double>(inner) / static_cast<double>(trained_inner) : 1;
    for (int64_t t = 0; t < tokens; ++t) out[static_cast<size_t>(t * e.axes() + axis)] = stride * position_along(e, axis, t / inner % now[a], now[a]);
    inner *= now[a];
    trained_inner *= e.grid[a];
  }
  return out;
}

double token_step(const LearnedEncoding& e, int64_t axis) {
  const int64_t m = e.grid[static_cast<size_t>(axis)];
  return m == 1 ? 1 : position_along(e, axis, 1, m) - position_along(e, axis, 0, m);
}

LearnedEncoding read_encoding(const fs::path& run) {
  LearnedEncoding e;
  e.file = choose_file(run);
  const auto file = safetensors::File::open(e.file);
  verify_checkpoint(file, e.file);
  const auto& metadata = file.metadata();
  const auto config = metadata.find("config"), step = metadata.find("step");
  if (config == metadata.end() || step == metadata.end())
    fail(e.file, "its metadata lack the configuration or the step. Use a checkpoint that liere-train wrote.");
  e.step = std::strtoll(step->second.c_str(), nullptr, 10);
  e.name = name_of_run(e.file);
  const Weights weights{file, e.file};
  try {
    const ConfigNode root = parse_config(config->second, "its configuration");
    read_configuration(root, e);
    read_position(weights, root, e);
  } catch (const ConfigError& error) {
    fail(e.file, std::string(error.what()) + " The checkpoint was written by another version; use that version, or another checkpoint.");
  }
  for (const double value : e.generators)
    if (!std::isfinite(value)) fail(e.file, "its generators are not finite: the run diverged. Use an earlier checkpoint.");
  read_projections(weights, e);
  return e;
}

std::vector<LearnedEncoding> read_encodings(const std::vector<fs::path>& runs) {
  std::vector<LearnedEncoding> all;
  std::set<fs::path> seen;
  std::map<std::string, int> labels, names;
  for (const fs::path& run : runs) {
    all.push_back(read_encoding(run));
    if (!seen.insert(fs::weakly_canonical(all.back().file)).second)
      throw ConfigError("run '" + run.string() + "' was given twice: expected each run once. Leave one out.");
    ++labels[all.back().label];
    ++names[all.back().name];
  }
  for (LearnedEncoding& e : all)
    if (labels[e.label] > 1) e.label += " (" + (names[e.name] == 1 ? e.name : e.file.string()) + ")";
  return all;
}

}  // namespace liere::report
