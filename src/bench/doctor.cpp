#include "bench/doctor.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <sys/utsname.h>
#include <unistd.h>

#include "core/instruction_set.h"

extern char** environ;

namespace liere {
namespace {

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood: return "ok";
    case Verdict::kNote: return "note";
    case Verdict::kWarning: return "WARNING";
    default: return "BROKEN";
  }
}

std::string line_of(const char* file, const std::string& prefix) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.rfind(prefix, 0) == 0) {
      const auto at = line.find_first_not_of(" \t:=\"", prefix.size());
      if (at == std::string::npos) return "";
      return line.substr(at, line.find_last_not_of("\" ") - at + 1);
    }
  return "";
}

Finding system_finding() {
  utsname kernel{};
  uname(&kernel);
  const auto name = line_of("/etc/os-release", "PRETTY_NAME");
  return {Verdict::kNote, "system", (name.empty() ? "unknown distribution" : name) + ", " + kernel.sysname + " " + kernel.release + ", " + kernel.machine};
}

}  // namespace

std::vector<Finding> processor_findings() {
  std::string has;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const std::pair<const char*, bool> sets[] = {{"AVX2", __builtin_cpu_supports("avx2") != 0},
                                               {"FMA", __builtin_cpu_supports("fma") != 0},
                                               {"AVX-512", __builtin_cpu_supports("avx512f") != 0},
                                               {"AVX-512 bf16", __builtin_cpu_supports("avx512bf16") != 0}};
  for (const auto& [name, there] : sets)
    if (there) has += (has.empty() ? "" : ", ") + std::string(name);
#endif
  const auto model = line_of("/proc/cpuinfo", "model name");
  const auto taken = instruction_set();
  const std::string text = (model.empty() ? "unknown model" : model) + (has.empty() ? "" : "; has " + has) + "; the kernels take " + name_of(taken);
  const bool slow = taken == InstructionSet::kBaseline;
  return {{slow ? Verdict::kWarning : Verdict::kGood, "processor", text + (slow ? ": several times slower than with AVX2 (see LIERE_INSTRUCTION_SET)" : "")}};
}

std::vector<Finding> environment_findings(const std::vector<std::string>& variables) {
  std::string slurm, ours;
  for (const auto& variable : variables) {
    const auto begins = [&](const char* prefix) { return variable.rfind(prefix, 0) == 0; };
    const auto add = [&](std::string& list) { list += (list.empty() ? "" : " ") + variable.substr(0, 160); };
    for (const char* name : {"SLURM_JOB_ID=", "SLURM_NTASKS=", "SLURM_PROCID=", "SLURM_LOCALID=", "SLURM_NNODES=", "SLURM_CPUS_PER_TASK=", "SLURM_GPUS", "SLURM_JOB_GPUS=", "SLURM_MEM",
                             "SLURM_RESTART_COUNT=", "SLURM_JOB_END_TIME="})
      if (begins(name)) {
        add(slurm);
        break;
      }
    for (const char* prefix : {"LIERE_", "OMP_", "KMP_", "MKL_", "CUDA_", "NVIDIA_VISIBLE", "NCCL_", "PYTORCH_", "TORCH_", "LD_LIBRARY_PATH=", "LD_PRELOAD="})
      if (begins(prefix)) {
        add(ours);
        break;
      }
  }
  return {{Verdict::kNote, "SLURM", slurm.empty() ? "not in a job" : slurm}, {Verdict::kNote, "environment", ours.empty() ? "nothing set that changes the program" : ours}};
}

ExitCode DoctorReport::exit_code() const {
  for (const auto& finding : findings)
    if (finding.verdict == Verdict::kBroken) return finding.code;
  return ExitCode::kDone;
}

DoctorReport examine(const DoctorOptions& options) {
  DoctorReport report;
  const auto add = [&report](std::vector<Finding> findings) {
    for (auto& finding : findings) report.findings.push_back(std::move(finding));
  };
  add({system_finding()});
  add(torch_findings());
  add(processor_findings());
  add(allowance_findings(read_allowance(), static_cast<int>(std::thread::hardware_concurrency())));
  add(output_findings(read_output_folder(options.output)));
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  add(environment_findings(variables));
  return report;
}

std::string describe(const DoctorReport& report) {
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  std::string text = std::string("liere-bench doctor, ") + date + "\n";
  size_t warnings = 0, broken = 0;
  for (const auto& finding : report.findings) {
    char start[48];
    std::snprintf(start, sizeof start, "%-8s %-14s ", word(finding.verdict), finding.topic.c_str());
    text += start + finding.text + "\n";
    warnings += finding.verdict == Verdict::kWarning;
    broken += finding.verdict == Verdict::kBroken;
  }
  return text + (broken ? std::to_string(broken) + " broken, " : "nothing broken, ") + std::to_string(warnings) + (warnings == 1 ? " warning\n" : " warnings\n");
}

std::string to_json(const DoctorReport& report) {
  nlohmann::ordered_json json = {{"exit_code", static_cast<int>(report.exit_code())}, {"findings", nlohmann::json::array()}};
  for (const auto& finding : report.findings) json["findings"].push_back({{"verdict", word(finding.verdict)}, {"topic", finding.topic}, {"text", finding.text}});
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace liere
