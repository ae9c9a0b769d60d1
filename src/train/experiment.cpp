#include "train/experiment.h"

#include <filesystem>

#include "core/check.h"
#include "core/control_group.h"
#include "core/log.h"
#include "core/reproduces.h"
#include "data/datasets/factory.h"
#include "models/kernels/fused_attention.h"
#include "train/device.h"

namespace liere {
namespace {

template <class... F> struct Overloaded : F... { using F::operator()...; };

void resolve_arrows(const ArrowsConfig& arrows, const VitConfig& model) {
  const int64_t side = arrows.grid * arrows.cell;
  if (model.input_size != std::vector<int64_t>{side, side})
    throw ConfigError("data.grid * data.cell = " + std::to_string(arrows.grid) + " * " + std::to_string(arrows.cell) + " = " + std::to_string(side) +
                      ", so model.input_size must be [" + std::to_string(side) + ", " + std::to_string(side) + "]. Change one of them.");
}

void resolve_sequences(const SequencesConfig& sequences, const ExperimentConfig& config) {
  const auto& model = config.model;
  if (config.mixup.enabled()) throw ConfigError("mixup mixes pictures, but data.kind is sequences, whose mixed tokens are others. Leave mixup out.");
  if (model.input_size[0] != sequences.length || model.patch[0] != 1)
    throw ConfigError("data.length is " + std::to_string(sequences.length) + ", so model.input_size must be [" + std::to_string(sequences.length) + "] and model.patch [1], a token per symbol. Change one of them.");
}

/// Axes of a sample of this data.
int64_t axes_of(const DatasetConfig& dataset) { return std::holds_alternative<Ucf101Config>(dataset) || std::holds_alternative<VolumesConfig>(dataset) ? 3 : std::holds_alternative<SequencesConfig>(dataset) ? 1 : 2; }

void resolve_axes(const ExperimentConfig& config) {
  const int64_t expected = axes_of(config.data.dataset);
  if (config.model.axes() != expected)
    throw ConfigError("model.input_size has " + std::to_string(config.model.axes()) + " axes, but data.kind holds " +
                      (expected == 1 ? "sequences, which need [tokens]." : expected == 2 ? "pictures, which need [rows, columns]." : sample_unit(config) + ", which need [frames, rows, columns]."));
  if (expected == 3 && config.model.input_size[0] < 2)
    throw ConfigError("model.input_size asks for clips of " + std::to_string(config.model.input_size[0]) + " frame, expected at least 2.");
}

/// Volumes have a channel for each window, and parts of their own for validation.
void resolve_volumes(const ExperimentConfig& config) {
  const auto windows = static_cast<int64_t>(config.augment.windows.size());
  if (config.model.channels != windows)
    throw ConfigError("model.channels is " + std::to_string(config.model.channels) + ", but augment.windows has " + std::to_string(windows) + " windows, each a channel. Make them agree.");
  if (config.data.holdout > 0)
    throw ConfigError("data.holdout keeps training samples for validation, but volumes have a validation part of their own, by patient (data.fold chooses another). Leave data.holdout out.");
}

void check_micro_batch(const ExperimentConfig& config, int64_t micro_batch) {
  if (micro_batch > config.train.batch_size)
    throw ConfigError("train.micro_batch (" + std::to_string(micro_batch) + ") is larger than train.batch_size (" + std::to_string(config.train.batch_size) +
                      "). Lower it, or leave it out to use the whole batch.");
  if (config.mixup.enabled() && config.mixup.pairing == MixPairing::kNeighbour && micro_batch % 2 != 0 && micro_batch < config.train.batch_size)
    throw ConfigError("train.micro_batch is " + std::to_string(micro_batch) + ", but Mixup and CutMix pair neighbouring samples, so that it must be even. Use " +
                      std::to_string(micro_batch + 1) + ", or mixup.pairing=flip.");
}

void open_exp(const ExperimentConfig& config, torch::Device device) {
  const auto asked = config.train.exp_kernel;
  if (device.is_cpu() && asked != ExpKernel::kAuto)
    throw ConfigError("train.exp_kernel is " + std::string(name_of(asked)) + ", which is a choice for GPUs, but the device is the CPU. Leave the key at auto, or use device=cuda.");
  if (const auto* liere = std::get_if<LiereConfig>(&config.model.position); liere && liere->block_size > 2) choose_exp_kernel(asked, device, liere->block_size);
}

void check_cuda_graph(const ExperimentConfig& config, torch::Device device) {
  if (config.train.cuda_graph && device.is_cpu())
    throw ConfigError("train.cuda_graph is true, but the device is the CPU, which has no CUDA graphs. Leave the key at false, or use device=cuda.");
}

/// Attention's kernel for the queries of the training.
void open_attention(const ExperimentConfig& config, torch::Device device) {
  const auto asked = config.train.attention;
  if (device.is_cpu()) {
    if (asked != AttentionKernel::kAuto)
      throw ConfigError("train.attention is " + std::string(name_of(asked)) + ", which is a choice for GPUs, but the device is the CPU. Leave the key at auto, or use device=cuda.");
    return;
  }
  int64_t tokens = 1;
  for (size_t axis = 0; axis < config.model.input_size.size(); ++axis) tokens *= config.model.input_size[axis] / config.model.patch[axis];
  const auto precision = config.train.precision;
  const auto dtype = precision == Precision::kBf16 ? torch::kBFloat16 : precision == Precision::kFp64 ? torch::kFloat64 : torch::kFloat32;
  const std::vector<int64_t> shape_BHTd = {8, *config.model.heads, tokens + 1, config.model.head_dim()};  // the batch plays no part in the choice
  const auto found = choose_attention(asked, device, dtype, shape_BHTd);
  const std::string shape = "[B, " + std::to_string(shape_BHTd[1]) + ", " + std::to_string(shape_BHTd[2]) + ", " + std::to_string(shape_BHTd[3]) + "] in " + std::string(name_of(precision));
  if (own_attention_serves(torch::empty({0}, torch::TensorOptions().device(device).dtype(dtype)), shape_BHTd[2], shape_BHTd[3]))
    log_info("attention: the program's own, for short sequences (" + shape + "); outside fused blocks " + std::string(name_of(found)));
  else
    log_info("attention: " + std::string(name_of(found)) + (asked == AttentionKernel::kAuto ? " (torch's choice for " : " (as configured, for ") + shape + ")");
}

/// Number of the GPU of a process among several of this machine; 0 where GPUs play no part.
int local_device(const ExperimentConfig& config, const Place& place) {
  if (place.size == 1 || config.device == DeviceKind::kCpu) return 0;
  const auto state = read_cuda_state(0);
  return state.built && state.devices > 0 ? device_of(place, state.devices, config.distributed.share_device) : 0;
}

ConfigNode load_with_compat(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const auto root = load_config(path, overrides);
  const auto preset = compat_preset(root);
  return preset.values.entries.empty() ? root : load_config(path, overrides, preset);
}

/// What is computed, but for the seed and where a start's weights lie.
std::vector<std::string> method_lines(const ExperimentConfig& config) {
  auto lines = identity_lines(config);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("seed=") || line.starts_with("init.checkpoint="); });
  return lines;
}

/// The entries of `reproduces` hold for the configuration that states them: one that is inherited, or changed on the command line beside its seed, is another
/// experiment, and a report must not hold it against the paper's cell. Entries on the command line itself hold.
void keep_own_entries(Experiment& experiment, const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const auto& origin = experiment.config.reproduces.origin;
  if (experiment.config.reproduces.items.empty() || origin.line == 0 || origin.source.starts_with("command line")) return;
  std::string reason;
  if (origin.source != path.string()) reason = "they are of " + origin.source;
  if (reason.empty() && !overrides.empty()) {
    ExperimentConfig stated;
    auto compat = overrides;  // the release's own computation is what the paper's figures come from
    std::erase_if(compat, [](const std::string& text) { return !text.starts_with("compat="); });
    decode(load_with_compat(path, compat), stated);
    resolve(stated);
    const auto changed = compare_identity(method_lines(experiment.config), method_lines(stated));
    if (!changed.empty()) reason = "the command line makes another experiment of it (" + changed.front() + ")";
  }
  if (reason.empty()) return;
  log_info("the paper's figures in reproduces are left out: " + reason);
  experiment.config.reproduces = {};
}

}  // namespace

void resolve(ExperimentConfig& config) {
  config.model.resolve();
  if (const auto* arrows = std::get_if<ArrowsConfig>(&config.data.dataset)) resolve_arrows(*arrows, config.model);
  resolve_axes(config);
  if (const auto* sequences = std::get_if<SequencesConfig>(&config.data.dataset)) resolve_sequences(*sequences, config);
  if (std::holds_alternative<VolumesConfig>(config.data.dataset)) resolve_volumes(config);
  else if (config.model.channels != 3) throw ConfigError("model.channels is " + std::to_string(config.model.channels) + ", but " + sample_unit(config) + " have 3.");
  if (!config.train.micro_batch) config.train.micro_batch = IntegerOrAuto{config.train.batch_size};
  if (!config.train.micro_batch->automatic) check_micro_batch(config, *config.train.micro_batch);
  if (config.train.cuda_graph && config.mixup.enabled())
    throw ConfigError("train.cuda_graph does not go with mixup and cutmix: a recorded step does the same each time, and their boxes and shares differ. Switch one of them off.");
}

Experiment load_experiment(const std::string& config_name, const std::vector<std::string>& overrides) {
  const auto path = find_config(config_name);
  // Not in one braced list. Experiment{{}, load_config(..)}: where a later entry throws, GCC 12 destroys a nested aggregate that has default member initialisers
  // twice if it was given by braces, {} included (copies and prvalues such as ExperimentConfig{} are safe).
  Experiment experiment;
  experiment.node = load_with_compat(path, overrides);
  experiment.name = path.stem().string();
  decode(experiment.node, experiment.config);
  read_reproduces(experiment.config.reproduces);  // throws where an entry is wrong
  resolve(experiment.config);
  keep_own_entries(experiment, path, overrides);
  if (experiment.config.eval.weights == EvalWeights::kEma && !experiment.config.ema.decay)
    throw ConfigError("eval.weights is ema, but no average is kept: set ema.decay (0.9999, say), or eval.weights=raw.");
  if (experiment.config.output.empty()) experiment.config.output = "runs/" + experiment.name + "_seed" + std::to_string(experiment.config.seed);
  return experiment;
}

std::string config_reference() {
  return "# Configuration keys\n\nWritten by `liere-train --config-reference`; a test compares it with the code. Set a key in a YAML file or on the command line as `section.key=value`;\n"
         "`base: FILE` inherits another file, relative to the one that names it.\n\n" +
         document(ExperimentConfig{});
}

std::string sample_unit(const ExperimentConfig& config) {
  return std::holds_alternative<VolumesConfig>(config.data.dataset) ? "volumes" : axes_of(config.data.dataset) == 3 ? "videos" : axes_of(config.data.dataset) == 1 ? "sequences" : "images";
}

std::string encoding_kind(const PositionConfig& position) {
  return std::visit([](const auto& c) { return std::string(c.kind); }, position);
}

std::optional<PositionRule> position_rule(const PositionConfig& position) {
  return std::visit(
      [](const auto& c) -> std::optional<PositionRule> {
        if constexpr (requires { c.positions; }) return c.positions;
        else return std::nullopt;
      },
      position);
}

torch::Device open_device(const ExperimentConfig& config, const Place& place) {
  set_log_rank(place.rank);
  share_processors(place.local_size, place.local_processors);
  if (place.size > 1) log_info(place.source);
  if (config.threads) torch::set_num_threads(static_cast<int>(*config.threads));
  else if (place.local_size > 1) torch::set_num_threads(static_cast<int>(usable_processors()));
  at::globalContext().setDeterministicAlgorithms(config.deterministic, /*warn_only=*/false);
  const auto device = choose_device(std::string(name_of(config.device)), fma_kind(config.train.precision), local_device(config, place));
  open_attention(config, device);
  check_cuda_graph(config, device);
  open_exp(config, device);
  return device;
}

int64_t class_count(const DatasetConfig& dataset) {
  return std::visit(Overloaded{
                        [](const CifarConfig& c) { return c.classes; },
                        [](const ArrowsConfig&) { return int64_t(4); },
                        [](const SequencesConfig& c) { return c.distances; },
                        [](const ImagenetConfig&) { return int64_t(1000); },
                        [](const Ucf101Config& c) { return c.lists ? static_cast<int64_t>(make_dataset(c, Split::kTrain)->class_names().size()) : int64_t(101); },
                        [](const FolderConfig& c) { return static_cast<int64_t>(make_dataset(c, Split::kTrain)->class_names().size()); },
                        [](const VolumesConfig& c) {
                          if (c.labels == VolumeLabels::kAny) return int64_t(2);
                          return std::filesystem::exists(c.root) ? static_cast<int64_t>(make_dataset(c, Split::kTrain)->class_names().size()) : int64_t(6);
                        },
                    },
                    dataset);
}

int64_t nominal_train_size(const DatasetConfig& dataset) {
  return std::visit(Overloaded{
                        [](const CifarConfig&) { return int64_t(50000); },
                        [](const ArrowsConfig& c) { return c.train_size; },
                        [](const SequencesConfig& c) { return c.train_size; },
                        [](const ImagenetConfig&) { return int64_t(1281167); },
                        [](const Ucf101Config& c) { return int64_t(c.split == 1 ? 9537 : c.split == 2 ? 9586 : 9624); },
                        [](const FolderConfig& c) { return make_dataset(c, Split::kTrain)->size(); },
                        [](const VolumesConfig&) { return int64_t(15221); },  // 70 % of RSNA 2019's 21,744 studies
                    },
                    dataset);
}

int64_t nominal_test_size(const DatasetConfig& dataset) {
  return std::visit(Overloaded{
                        [](const CifarConfig&) { return int64_t(10000); },
                        [](const ArrowsConfig& c) { return c.test_size; },
                        [](const SequencesConfig& c) { return c.test_size; },
                        [](const ImagenetConfig&) { return int64_t(50000); },
                        [](const Ucf101Config& c) { return int64_t(c.split == 1 ? 3783 : c.split == 2 ? 3734 : 3696); },
                        [](const FolderConfig& c) { return make_dataset(c, Split::kTest)->size(); },
                        [](const VolumesConfig&) { return int64_t(3262); },  // 15 % of RSNA 2019's 21,744 studies
                    },
                    dataset);
}

}  // namespace liere
