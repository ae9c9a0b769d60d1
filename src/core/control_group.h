// What Linux control groups (version 1 and 2) grant this process: a batch system or a container often gives fewer processors than the affinity mask
// shows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace liere {

/// The process's group in a hierarchy: the rest of its line of /proc/self/cgroup, "0::/path" (version 2, controller "") or "5:cpu,cpuacct:/path".
/// `root` stands for /.
std::optional<std::string> control_group(const std::filesystem::path& root, const std::string& controller);
/// From the process's group up to the hierarchy's root. In a container the path may be the host's: then the root alone is there.
std::vector<std::filesystem::path> control_group_folders(const std::filesystem::path& hierarchy, const std::string& group);
/// Processors' worth of time that the process's groups grant, the tightest of them; nullopt: unlimited.
std::optional<double> processor_quota(const std::filesystem::path& root = "/");

/// The share of one of `processes` alike. `allowed`: processors that this process may use. `together`: those of all of them where the scheduler says so, and then
/// `allowed` may be one process's share already (SLURM's task binding) and is not divided again; 0: `allowed` is for all. At least 1.
int64_t share_of_processors(int64_t allowed, int64_t processes, int64_t together);
/// From now on usable_processors() is this process's share. Before threads start.
void share_processors(int64_t processes, int64_t together = 0);

/// Processors that this process can keep busy: its affinity mask, and no more than the quota rounded up, its share of them; at least 1.
int64_t usable_processors(const std::filesystem::path& root = "/");

}  // namespace liere
