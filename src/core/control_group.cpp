#include "core/control_group.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

namespace liere {

namespace fs = std::filesystem;

std::optional<std::string> control_group(const fs::path& root, const std::string& controller) {
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty() ? names == ",," : names.find("," + controller + ",") != std::string::npos) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::vector<fs::path> control_group_folders(const fs::path& hierarchy, const std::string& group) {
  std::vector<fs::path> folders;
  for (fs::path path = fs::path(group).relative_path(); !path.empty(); path = path.parent_path()) folders.push_back(hierarchy / path);
  folders.push_back(hierarchy);
  return folders;
}

std::optional<double> processor_quota(const fs::path& root) {
  std::optional<double> smallest;
  const auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0) smallest = std::min(smallest.value_or(quota / period), quota / period);
  };
  const fs::path base = root / "sys/fs/cgroup";
  double quota = 0, period = 0;
  if (const auto group = control_group(root, ""))
    for (const auto& folder : control_group_folders(base, *group))
      if (std::ifstream cpu(folder / "cpu.max"); cpu >> quota >> period) take(quota, period);  // "max 100000" is no number: unlimited
  if (const auto group = control_group(root, "cpu"))
    for (const auto& folder : control_group_folders(base / "cpu", *group)) {
      std::ifstream quota_file(folder / "cpu.cfs_quota_us"), period_file(folder / "cpu.cfs_period_us");
      if (quota_file >> quota && period_file >> period) take(quota, period);  // -1: unlimited
    }
  return smallest;
}

namespace {
int64_t sharing_processes = 1, processors_together = 0;
}

int64_t share_of_processors(int64_t allowed, int64_t processes, int64_t together) {
  return std::max<int64_t>(together > 0 ? std::min(allowed, together / processes) : allowed / processes, 1);
}

void share_processors(int64_t processes, int64_t together) {
  sharing_processes = std::max<int64_t>(processes, 1);
  processors_together = together;
}

int64_t usable_processors(const fs::path& root) {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines with more than 1024 processors.
  int64_t processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : static_cast<int64_t>(std::thread::hardware_concurrency());
  if (const auto quota = processor_quota(root)) processors = std::min(processors, static_cast<int64_t>(std::ceil(*quota)));
  return share_of_processors(processors, sharing_processes, processors_together);
}

}  // namespace liere
