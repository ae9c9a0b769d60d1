// How much memory a training step takes, before it is taken; and the micro-batch that fits.
#pragma once

#include <functional>

#include "models/vit.h"
#include "train/experiment.h"

namespace liere {

/// Bytes, counted from the shapes.
struct MemoryEstimate {
  double state = 0;       // weights, gradients, Adam's moments, their average
  double rotations = 0;   // of one step, with gradient and what exp keeps
  double per_sample = 0;  // activations kept for the backward pass, and what the largest operation needs beside them
  double fixed = 0;       // libraries, loader, allocator
  double total(int64_t micro_batch) const { return state + rotations + fixed + per_sample * static_cast<double>(micro_batch); }
  /// Samples per forward pass that fit into `bytes`, at least 0.
  int64_t fitting(double bytes) const;
};

/// The largest even share of one process's part of the batch (all of it, a half, a quarter, ...; in pairs where samples are mixed so) that is at most
/// `limit`; 0 when none is.
int64_t largest_micro_batch(const ExperimentConfig& config, int64_t limit, int64_t processes = 1);

/// `model` may be on the meta device.
MemoryEstimate estimate_memory(const ExperimentConfig& config, VitImpl& model);

/// Bytes that this process may still take on the device: free GPU memory, or what the machine, its control group and `ulimit -v` leave.
double available_memory(torch::Device device);

/// The largest micro-batch that fits, at most train.batch_size and even where samples are mixed in pairs: a power-of-two share of the batch. On a GPU
/// `try_step(micro_batch)` is run, and halved as long as it throws c10::OutOfMemoryError; on the CPU, where the system would kill the process, the
/// estimate alone decides. DeviceError when one sample does not fit.
int64_t find_micro_batch(const ExperimentConfig& config, VitImpl& model, torch::Device device, const std::function<void(int64_t)>& try_step);

/// Whether an exception says that memory ran out, on the CPU or on a GPU.
bool is_out_of_memory(const std::exception& error);
/// One sentence: what did not fit, and the micro-batch that is estimated to. `available`: available_memory before the first step, with the weights and the
/// optimiser in place; afterwards it says little, since freed memory stays with the process (core/allocator.h).
std::string out_of_memory_message(const ExperimentConfig& config, VitImpl& model, torch::Device device, int64_t micro_batch, double available);

}  // namespace liere
