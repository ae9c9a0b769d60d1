#include "train/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <sstream>

#include "core/check.h"
#include "core/log.h"

#ifdef LIERE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace liere {
namespace {

constexpr double kMiB = 1024 * 1024;

double element_bytes(Precision precision) { return precision == Precision::kBf16 ? 2 : precision == Precision::kFp32 ? 4 : 8; }

/// Entries of R per token, layer and head, and how many copies a step holds: value, gradient and what exp keeps for its backward. Pairs are cosine and
/// sine and one gradient.
double rotation_entries(const VitImpl& model) {
  const int64_t block = model.position().learned_block(), head_dim = model.config().head_dim();
  return block == 2 ? 1.5 * static_cast<double>(head_dim) : 4.0 * static_cast<double>(head_dim * block);
}

/// Kept per token and block: the inputs of two norms, qkv, turned q, k and v, attention's output and its projection, the MLP's hidden layer before
/// and after GELU and dropout, its output, and two sums. With checkpointing only the block's input, and one block in full.
double activation_bytes(const ExperimentConfig& config) {
  const auto& model = config.model;
  const double width = static_cast<double>(*model.width), mlp = static_cast<double>(*model.mlp), depth = static_cast<double>(*model.depth);
  const double block = 16 * width + 4 * mlp;
  const double kept = config.train.activation_checkpointing ? depth * width + block : depth * block;
  return element_bytes(config.train.precision) * kept;
}

/// "Name:   123 kB" of a /proc file, in bytes; infinity where it is not there.
double proc_bytes(const char* file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + ":")) return 1024 * std::stod(line.substr(name.size() + 1));
  return std::numeric_limits<double>::infinity();
}

/// A control group's limit less what it uses, from either version's files; infinity without a limit.
double cgroup_bytes() {
  const auto number = [](const char* file) {
    double value = std::numeric_limits<double>::infinity();
    std::ifstream(file) >> value;  // "max" leaves it 0: no limit
    return value > 0 ? value : std::numeric_limits<double>::infinity();
  };
  const double v2 = number("/sys/fs/cgroup/memory.max") - std::min(number("/sys/fs/cgroup/memory.current"), 1e18);
  const double v1 = number("/sys/fs/cgroup/memory/memory.limit_in_bytes") - std::min(number("/sys/fs/cgroup/memory/memory.usage_in_bytes"), 1e18);
  return std::max(0.0, std::min(v2, v1));
}

bool needs_even(const ExperimentConfig& config) { return config.mixup.enabled() && config.mixup.pairing == MixPairing::kNeighbour; }

}  // namespace

int64_t largest_micro_batch(const ExperimentConfig& config, int64_t limit, int64_t processes) {
  const int64_t batch = (config.train.batch_size + processes - 1) / processes;
  for (int64_t parts = 1;; parts *= 2) {
    int64_t micro = (batch + parts - 1) / parts;
    if (needs_even(config) && micro < config.train.batch_size) micro += micro % 2;
    if (micro <= limit) return micro;
    if (micro <= (needs_even(config) ? 2 : 1)) return 0;
  }
}

int64_t MemoryEstimate::fitting(double bytes) const { return std::max<int64_t>(0, static_cast<int64_t>((bytes - state - rotations - fixed) / per_sample)); }

MemoryEstimate estimate_memory(const ExperimentConfig& config, VitImpl& model) {
  const double parameters = static_cast<double>(model.parameter_count()), word = config.train.precision == Precision::kFp64 ? 8 : 4;
  const double tokens = static_cast<double>(model.grid(config.model.input_size).tokens());
  double picture = static_cast<double>(config.model.channels);
  for (const int64_t size : config.model.input_size) picture *= static_cast<double>(size);
  MemoryEstimate estimate;
  // Weight, gradient, two moments; the average; the bf16 copy; the snapshot of a checkpoint that is being written.
  estimate.state = parameters * (word * (4 + (config.ema.decay ? 1 : 0) + (config.checkpoint.background ? 3 : 0)) + (config.train.precision == Precision::kBf16 ? 2 : 0));
  estimate.rotations = word * rotation_entries(model) * tokens * static_cast<double>(*config.model.depth * *config.model.heads);
  estimate.per_sample = (tokens + 1) * activation_bytes(config) + picture * 4 * static_cast<double>(config.loader.prefetch + 2);
  estimate.fixed = 300 * kMiB;
  return estimate;
}

double available_memory(torch::Device device) {
#ifdef LIERE_CUDA
  if (device.is_cuda()) {
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess) return static_cast<double>(free);
  }
#endif
  double available = std::min(proc_bytes("/proc/meminfo", "MemAvailable"), cgroup_bytes());
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    available = std::min(available, std::max(0.0, static_cast<double>(limit.rlim_cur) - proc_bytes("/proc/self/status", "VmSize")));
  return available;
}

int64_t find_micro_batch(const ExperimentConfig& config, VitImpl& model, torch::Device device, const std::function<void(int64_t)>& try_step) {
  const auto estimate = estimate_memory(config, model);
  // On a GPU the estimate is only where trying starts: twice as much may fit.
  const double available = available_memory(device);
  int64_t micro = largest_micro_batch(config, estimate.fitting(available * (device.is_cuda() ? 2 : 0.8)));
  while (device.is_cuda() && micro > 0) {
    try {
      try_step(micro);
      break;
    } catch (const c10::OutOfMemoryError&) {
      micro = largest_micro_batch(config, micro - 1);
    }
  }
  if (micro == 0)
    throw DeviceError("train.micro_batch: auto found that not even the smallest micro-batch fits into the " + format_bytes(available) + " free on " + device.str() + " (a training of this model needs about " +
                      format_bytes(estimate.total(1)) + "). Use a smaller model, train.activation_checkpointing=true, or another device.");
  log_info("train.micro_batch: auto chose " + format_count(micro) + " of " + format_count(config.train.batch_size) + " " + sample_unit(config) + " (about " + format_bytes(estimate.total(micro)) + ", " + format_bytes(available) + " free)");
  return micro;
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  const std::string text = error.what();  // the CPU allocator's is a plain c10::Error; oneDNN's a runtime_error
  return text.find("can't allocate memory") != std::string::npos || text.find("not enough memory") != std::string::npos || text.find("could not create a memory") != std::string::npos;
}

std::string out_of_memory_message(const ExperimentConfig& config, VitImpl& model, torch::Device device, int64_t micro_batch, double available) {
  const auto estimate = estimate_memory(config, model);
  const double room = available + estimate.state;
  const int64_t fits = std::min(largest_micro_batch(config, estimate.fitting(0.8 * room)), largest_micro_batch(config, micro_batch - 1));
  return "out of memory on " + device.str() + " with train.micro_batch=" + std::to_string(micro_batch) + " (about " + format_bytes(estimate.total(micro_batch)) + " needed). " +
         (fits > 0 ? "train.micro_batch=" + std::to_string(fits) + " is estimated to fit, with the same result by accumulation" : std::string("Not even the smallest micro-batch is estimated to fit")) +
         (config.train.activation_checkpointing ? "." : "; train.activation_checkpointing=true needs less, too.");
}

}  // namespace liere
