// liere-bench doctor: what training needs of this machine, a verdict a line, to paste into a report: GPU, driver and LibTorch, processor, cores and memory
// that the process may use, the output folder's file system, the environment. Each finding is a pure function of what was read, so that tests run them all.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/check.h"

namespace liere {

/// kNote: good to know; kWarning: training runs, but slower or less safely; kBroken: training will not run.
enum class Verdict { kGood, kNote, kWarning, kBroken };

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string topic, text;
  ExitCode code = ExitCode::kDone;  // of kBroken: what training would end with
};

struct DoctorOptions {
  std::filesystem::path output = "runs";  // folder for run folders; need not exist
};

struct DoctorReport {
  std::vector<Finding> findings;
  /// kDone unless something is broken: then the first one's code.
  ExitCode exit_code() const;
};

/// Reads the machine and tries things out: twenty small files are written into the output folder and removed, a GPU computes a few matrices.
DoctorReport examine(const DoctorOptions& options);

std::string describe(const DoctorReport& report);
std::string to_json(const DoctorReport& report);

// Its parts.

/// What a process may use of the machine. Unlimited: nullopt.
struct Allowance {
  int processors = 0;               // of the machine
  int affinity = 0;                 // that this process may run on
  std::optional<double> cpu_quota;  // processors' worth of time that the control group grants
  double memory = 0;                // bytes of the machine
  double available = 0;             // of them unused
  std::optional<double> memory_limit, memory_used;  // of the control group
  std::optional<double> address_space;              // ulimit -v
};
/// `root` replaces / for the files under /proc and /sys. Control groups of version 2 and 1, the narrowest limit on the way to the root counts.
Allowance read_allowance(const std::filesystem::path& root = "/");
/// `threads`: what LibTorch would start.
std::vector<Finding> allowance_findings(const Allowance& allowance, int threads);

struct OutputFolder {
  std::filesystem::path folder;  // the innermost that exists
  std::string type;              // of the file system: "ext4", "nfs", ..., or its number
  double free_bytes = 0;
  std::optional<double> sync_seconds;  // median of 20 writes of 4 KiB with fsync
  std::string failure;                 // why it cannot be written
  ExitCode code = ExitCode::kDone;
};
OutputFolder read_output_folder(const std::filesystem::path& output);
std::vector<Finding> output_findings(const OutputFolder& output);

/// The name that the kernel's number (statfs) stands for.
std::string file_system_name(int64_t type);

/// Variables that change what the program does, from "NAME=value" lines: a SLURM job, and LIERE_, OMP_, CUDA_, NCCL_, MKL_, PYTORCH_.
std::vector<Finding> environment_findings(const std::vector<std::string>& variables);

/// Which instruction sets the processor has, and which the kernels take.
std::vector<Finding> processor_findings();

/// LibTorch, driver, GPUs, NCCL (doctor_gpu.cpp).
std::vector<Finding> torch_findings();

}  // namespace liere
