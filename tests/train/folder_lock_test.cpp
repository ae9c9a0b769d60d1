// One process per run folder, and a restarted job that takes the folder over from its frozen predecessor.
#include "train/folder_lock.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;

namespace {

/// An environment variable for a scope.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("a run folder is one process's, and the generation counts them", "[lock]") {
  const TemporaryFolder folder;
  {
    const FolderLock first(folder.path());
    CHECK(first.generation() == 1);
    CHECK_FALSE(first.earlier_may_live());
    CHECK_NOTHROW(first.check());
    CHECK_THROWS_WITH(FolderLock(folder.path()), has("is in use by process " + std::to_string(::getpid()) + " on "));
    bool done = false;
    first.guarded([&] { done = true; });
    CHECK(done);
  }
  const FolderLock second(folder.path());
  CHECK(second.generation() == 2);
  CHECK_FALSE(second.earlier_may_live());  // the first gave it back
}

TEST_CASE("a restart of the same job takes the folder over, and the older process cannot publish any more", "[lock]") {
  const TemporaryFolder folder;
  const Environment job("SLURM_JOB_ID", "55");
  const FolderLock older(folder.path());
  std::optional<FolderLock> newer;
  {
    const Environment other_job("SLURM_JOB_ID", "56"), restart("SLURM_RESTART_COUNT", "1");
    CHECK_THROWS_WITH(FolderLock(folder.path()), has("is in use by"));
  }
  ::setenv("SLURM_JOB_ID", "55", 1);
  {
    const Environment restart("SLURM_RESTART_COUNT", "0");
    CHECK_THROWS_AS(FolderLock(folder.path()), CheckpointError);
  }
  CHECK_NOTHROW(older.check());
  {
    const Environment restart("SLURM_RESTART_COUNT", "1");
    newer.emplace(folder.path());
    CHECK_THROWS_AS(FolderLock(folder.path()), CheckpointError);  // the same restart once more
  }
  CHECK(newer->generation() == 2);
  CHECK(newer->earlier_may_live());
  bool published = false;
  CHECK_THROWS_AS(older.guarded([&] { published = true; }), SupersededError);
  CHECK_THROWS_WITH(older.check(), has("superseded: process " + std::to_string(::getpid())) && has("generation 2") && has(folder.path().string()));
  CHECK_FALSE(published);
  newer->guarded([&] { published = true; });
  CHECK(published);
}

TEST_CASE("the end of a superseded process leaves the newer one's lock alone", "[lock]") {
  const TemporaryFolder folder;
  std::optional<FolderLock> older(std::in_place, folder.path());
  const Environment restart("SLURM_RESTART_COUNT", "3");
  const FolderLock newer(folder.path());
  older.reset();
  CHECK_NOTHROW(newer.check());
  ::unsetenv("SLURM_RESTART_COUNT");
  CHECK_THROWS_AS(FolderLock(folder.path()), CheckpointError);
}

TEST_CASE("a killed owner is remembered as one that may still live", "[lock]") {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "lock", "process 1 on elsewhere\ngeneration 7\nrestart 0\njob \n");
  const FolderLock lock(folder.path());
  CHECK(lock.generation() == 8);
  CHECK(lock.earlier_may_live());
}

TEST_CASE("a removed lock file stops publishing, and says so", "[lock]") {
  const TemporaryFolder folder;
  const FolderLock lock(folder.path());
  std::filesystem::remove(folder.path() / "lock");
  bool published = false;
  CHECK_THROWS_AS(lock.guarded([&] { published = true; }), CheckpointError);
  CHECK_FALSE(published);
}
