// The doctor on cores, memory and disk.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/doctor.h"
#include "core/control_group.h"
#include "train/run_folder.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

std::string gib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / (1 << 30));
  return text;
}

/// The first number in a file; nullopt where there is none ("max").
std::optional<double> number_in(const fs::path& file) {
  std::ifstream in(file);
  double value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

void read_groups(Allowance& a, const fs::path& root) {
  const fs::path base = root / "sys/fs/cgroup";
  a.cpu_quota = processor_quota(root);
  if (const auto group = control_group(root, ""))
    for (const auto& folder : control_group_folders(base, *group))
      if (const auto limit = number_in(folder / "memory.max"); limit && (!a.memory_limit || *limit < *a.memory_limit)) {
        a.memory_limit = limit;
        a.memory_used = number_in(folder / "memory.current");
      }
  if (const auto group = control_group(root, "memory"))
    for (const auto& folder : control_group_folders(base / "memory", *group)) {
      const auto limit = number_in(folder / "memory.limit_in_bytes");
      if (!limit || *limit > 1e18 || (a.memory_limit && *a.memory_limit <= *limit)) continue;  // unlimited is a number near 2^63
      a.memory_limit = limit;
      a.memory_used = number_in(folder / "memory.usage_in_bytes");
    }
}

double meminfo(const fs::path& root, const std::string& key) {
  std::ifstream in(root / "proc/meminfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) * 1024;
  return 0;
}

/// Median seconds of writing 4 KiB and fsync, and why it failed.
std::optional<double> sync_latency(const fs::path& folder, std::string& failure) {
  const auto file = folder / (".liere-doctor-" + std::to_string(::getpid()));
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    failure = std::string("a file cannot be made: ") + std::strerror(errno);
    return std::nullopt;
  }
  std::vector<double> seconds;
  const std::vector<char> block(4096, 'x');
  for (int i = 0; i < 20 && failure.empty(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (::write(descriptor, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || ::fsync(descriptor) != 0) failure = std::string("writing fails: ") + std::strerror(errno);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  ::close(descriptor);
  ::unlink(file.c_str());
  if (!failure.empty()) return std::nullopt;
  std::nth_element(seconds.begin(), seconds.begin() + 10, seconds.end());
  return seconds[10];
}

}  // namespace

Allowance read_allowance(const fs::path& root) {
  Allowance a;
  a.processors = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  CPU_ZERO(&set);
  a.affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : a.processors;
  a.processors = std::max<int>(a.processors, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  a.memory = meminfo(root, "MemTotal");
  a.available = meminfo(root, "MemAvailable");
  read_groups(a, root);
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) a.address_space = static_cast<double>(limit.rlim_cur);
  return a;
}

std::vector<Finding> allowance_findings(const Allowance& a, int threads) {
  char text[240];
  std::snprintf(text, sizeof text, "%d of %d processors may be used", a.affinity, a.processors);
  std::string cores = text;
  if (a.cpu_quota) {
    std::snprintf(text, sizeof text, ", the control group grants the time of %.1f", *a.cpu_quota);
    cores += text;
  }
  const double allowed = std::min(static_cast<double>(a.affinity), a.cpu_quota.value_or(a.affinity));
  // Threads beyond a quota are stopped for the rest of each period, those that wait for them too.
  const bool crowded = threads > std::ceil(allowed);
  if (crowded) {
    std::snprintf(text, sizeof text, ": LibTorch would start %d threads; set threads=%d", threads, std::max(1, static_cast<int>(allowed)));
    cores += text;
  }
  const double left = std::min(a.available, a.memory_limit ? *a.memory_limit - a.memory_used.value_or(0) : a.available);
  std::string memory = gib(a.memory) + " in the machine, " + gib(a.available) + " available";
  if (a.memory_limit) memory += "; the control group allows " + gib(*a.memory_limit) + (a.memory_used ? " and holds " + gib(*a.memory_used) : "");
  if (a.address_space) memory += "; ulimit -v " + gib(*a.address_space);
  const bool little = left < 3e9, narrow = a.address_space && *a.address_space < 16e9;
  if (little) memory += ": less than 3 GB are left for training";
  if (narrow) memory += ": LibTorch alone maps several GiB";
  return {{crowded ? Verdict::kWarning : Verdict::kGood, "cores", cores}, {little || narrow ? Verdict::kWarning : Verdict::kGood, "memory", memory}};
}

std::string file_system_name(int64_t type) {
  static const std::pair<int64_t, const char*> names[] = {{0xEF53, "ext4"}, {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x2FC12FC1, "zfs"}, {0xF2F52010, "f2fs"}, {0x01021994, "tmpfs"},
                                                          {0x794C7630, "overlay"}, {0x6969, "nfs"}, {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"}, {0x19830326, "beegfs"}, {0x00C36400, "ceph"},
                                                          {0xFE534D42, "smb2"}, {0xFF534D42, "cifs"}, {0x65735546, "fuse"}, {0x01021997, "9p"}, {0x6A656A63, "virtiofs"}, {0x4D44, "vfat"},
                                                          {0x2011BAB0, "exfat"}, {0x858458F6, "ramfs"}, {0xAAD7AAEA, "panfs"}};
  for (const auto& [number, name] : names)
    if (number == (type & 0xFFFFFFFF)) return name;
  char text[32];
  std::snprintf(text, sizeof text, "type 0x%llx", static_cast<unsigned long long>(type));
  return text;
}

OutputFolder read_output_folder(const fs::path& output) {
  OutputFolder found;
  std::error_code ignored;
  found.folder = fs::absolute(output).lexically_normal();
  try {
    check_output_folder(found.folder);
  } catch (const Error& error) {
    found.failure = error.what();
    found.code = error.code();
  }
  while (!fs::is_directory(found.folder, ignored) && found.folder != found.folder.parent_path()) found.folder = found.folder.parent_path();
  struct statfs info {};
  if (::statfs(found.folder.c_str(), &info) == 0) {
    found.type = file_system_name(static_cast<int64_t>(info.f_type));
    found.free_bytes = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_bsize);
  }
  if (found.failure.empty()) {
    found.sync_seconds = sync_latency(found.folder, found.failure);
    if (!found.failure.empty()) found.code = ExitCode::kCheckpoint;
  }
  return found;
}

std::vector<Finding> output_findings(const OutputFolder& output) {
  const std::string where = output.folder.string() + " (" + output.type + ")";
  if (!output.failure.empty()) return {{Verdict::kBroken, "output", where + ": " + output.failure, output.code}};
  std::string text = where + ", " + gib(output.free_bytes) + " free";
  Verdict verdict = Verdict::kGood;
  if (output.sync_seconds) {
    char number[64];
    std::snprintf(number, sizeof number, ", fsync %.2f ms", 1e3 * *output.sync_seconds);
    text += number;
  }
  const auto warn = [&](const char* sentence) {
    verdict = Verdict::kWarning;
    text += sentence;
  };
  if (output.free_bytes < 5e9) warn("; a ViT-B's checkpoints take 1 GB each, three are kept");
  if (output.sync_seconds.value_or(0) > 0.1) warn("; slow to confirm writes: checkpoint less often");
  if (output.type == "tmpfs" || output.type == "ramfs") warn("; it lives in memory and is gone when the machine stops");
  return {{verdict, "output", text}};
}

}  // namespace liere
