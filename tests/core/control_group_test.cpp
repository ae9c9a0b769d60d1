// Processors granted by control groups, read from made trees of /proc and /sys.
#include "core/control_group.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "support/catch.h"

using namespace liere;
namespace fs = std::filesystem;

namespace {

/// A folder that stands for / and is removed at the end.
class MadeRoot {
 public:
  MadeRoot() : path_(fs::temp_directory_path() / ("liere-groups-" + std::to_string(::getpid()))) { fs::remove_all(path_); }
  ~MadeRoot() { fs::remove_all(path_); }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

int64_t affinity() {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  return CPU_COUNT(&set);
}

}  // namespace

TEST_CASE("without control groups the affinity mask counts", "[machine]") {
  const MadeRoot root;
  CHECK(!processor_quota(root.path()));
  CHECK(usable_processors(root.path()) == affinity());
}

TEST_CASE("the tightest quota on the way to the root counts (version 2)", "[machine]") {
  const MadeRoot root;
  root.write("proc/self/cgroup", "0::/job/step\n");
  root.write("sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
  CHECK(!processor_quota(root.path()));
  root.write("sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  CHECK(processor_quota(root.path()) == 1.5);
  CHECK(usable_processors(root.path()) == std::min<int64_t>(affinity(), 2));
  root.write("sys/fs/cgroup/job/step/cpu.max", "20000 100000\n");
  CHECK(processor_quota(root.path()) == 0.2);
  CHECK(usable_processors(root.path()) == 1);
}

TEST_CASE("a quota of version 1", "[machine]") {
  const MadeRoot root;
  root.write("proc/self/cgroup", "5:cpu,cpuacct:/job\n3:memory:/job\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(!processor_quota(root.path()));
  root.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  root.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  CHECK(processor_quota(root.path()) == 0.5);
}

TEST_CASE("processors shared by processes of a machine: by affinity, or as the scheduler says", "[core]") {
  CHECK(share_of_processors(16, 4, 0) == 4);
  CHECK(share_of_processors(3, 4, 0) == 1);
  CHECK(share_of_processors(4, 4, 16) == 4);    // bound to its own four of sixteen
  CHECK(share_of_processors(16, 4, 16) == 4);   // not bound
  CHECK(share_of_processors(64, 4, 16) == 4);   // not even confined to what the job was given
  CHECK(share_of_processors(2, 4, 16) == 2);    // bound to fewer
  CHECK(share_of_processors(16, 5, 16) == 3);
  CHECK(share_of_processors(1, 4, 2) == 1);
}
