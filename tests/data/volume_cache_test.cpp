// The cache of volumes: what is read is what was written, whatever happens to the file or to who writes it.
#include "data/volumes/volume_cache.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

const std::string kSettings = "0123456789abcdef";

Frames made(int16_t seed, int64_t slices = 3, int64_t rows = 5, int64_t columns = 4) {
  Frames volume(PixelType::kI16, {slices, rows, columns, 1});
  for (int64_t i = 0; i < volume.shape().elements(); ++i) volume.i16()[i] = static_cast<int16_t>(seed * 31 + i);
  return volume;
}

std::string bytes_of(const fs::path& path) { return read_file(path); }
void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

}  // namespace

TEST_CASE("volume cache: reads back what was written, in any number of readers", "[volumes]") {
  TemporaryFolder folder;
  const auto volume = made(3);
  const auto file = folder.path() / "deep/er/volume.liere";
  const auto digest = write_cached_volume(file, volume, kSettings);
  CHECK(digest.size() == 16);
  for (int reader = 0; reader < 2; ++reader) {
    const CachedVolume cached(file, volume.shape(), kSettings, digest);
    CHECK(std::equal(volume.i16(), volume.i16() + volume.shape().elements(), cached.values()));
  }
  CHECK(write_cached_volume(folder.path() / "again.liere", volume, kSettings) == digest);
  CHECK(write_cached_volume(folder.path() / "other.liere", made(4), kSettings) != digest);
}

TEST_CASE("volume cache: settings name everything that decides the values", "[volumes]") {
  const VolumeCacheSettings grid{.slices = 16, .rows = 64, .columns = 64};
  CHECK(grid.text() == R"({"format":"liere-volume 1","slices":16,"rows":64,"columns":64,"spacing":"grid"})");
  auto iso = grid;
  iso.iso = true;
  CHECK(iso.text() == R"({"format":"liere-volume 1","slices":16,"rows":64,"columns":64,"spacing":"iso","millimetres":1.0})");
  iso.millimetres = 2.5;
  CHECK(iso.text().find("2.5") != std::string::npos);
}

TEST_CASE("volume cache: a file of other settings, another shape or another volume is refused by name", "[volumes]") {
  TemporaryFolder folder;
  const auto volume = made(3);
  const auto file = folder.path() / "v.liere";
  const auto digest = write_cached_volume(file, volume, kSettings);
  const auto error = [&](const fs::path& path, const FrameShape& shape, const std::string& settings, const std::string& expected) -> std::string {
    try {
      CachedVolume cached(path, shape, settings, expected);
    } catch (const DataError& failure) {
      return failure.what();
    }
    return "";
  };
  CHECK_THAT(error(folder.path() / "no.liere", volume.shape(), kSettings, digest),
             Catch::Contains("no.liere cannot be read") && Catch::Contains("liere-data prepare"));
  CHECK_THAT(error(file, volume.shape(), "fedcba9876543210", digest), Catch::Contains("other settings"));
  CHECK_THAT(error(file, {5, 3, 4, 1}, kSettings, digest), Catch::Contains("another shape"));
  CHECK_THAT(error(file, {3, 5, 5, 1}, kSettings, digest), Catch::Contains("bytes, expected"));
  CHECK_THAT(error(file, volume.shape(), kSettings, "0000000000000000"), Catch::Contains("not the one that the manifest names"));
}

TEST_CASE("volume cache: a flipped bit or a missing end is never read as a volume", "[volumes]") {
  TemporaryFolder folder;
  const auto volume = made(3);
  const auto file = folder.path() / "v.liere";
  const auto digest = write_cached_volume(file, volume, kSettings);
  const auto whole = bytes_of(file);
  const auto accepted = [&](const fs::path& path) {
    try {
      CachedVolume cached(path, volume.shape(), kSettings, digest);
      return true;
    } catch (const DataError&) {
      return false;
    }
  };
  const auto damaged = folder.path() / "damaged.liere";
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    auto bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    fs::remove(damaged);
    write(damaged, bytes);
    REQUIRE_FALSE(accepted(damaged));
  }
  for (size_t size = 0; size < whole.size(); size += 7) {
    fs::remove(damaged);
    write(damaged, whole.substr(0, size));
    REQUIRE_FALSE(accepted(damaged));
  }
  CHECK(accepted(file));
}

TEST_CASE("volume cache: values are compared with their digest once for each state of a file", "[volumes]") {
  TemporaryFolder folder;
  const auto volume = made(3);
  const auto file = folder.path() / "v.liere";
  const auto digest = write_cached_volume(file, volume, kSettings);
  const auto whole = bytes_of(file);
  const auto time = fs::last_write_time(file);
  const auto open = [&] { return CachedVolume(file, volume.shape(), kSettings, digest).values()[0]; };
  open();
  auto damaged = whole;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  // In place, so that size and place on the disk stay: with a later time it is another state.
  write(file, damaged);
  fs::last_write_time(file, time + std::chrono::seconds(1));
  CHECK_THROWS_WITH(open(), Catch::Contains("its values do not have their digest"));
  CHECK_THROWS_WITH(open(), Catch::Contains("its values do not have their digest"));
  // With the old time it is the state that was compared: later epochs cost no hash.
  fs::last_write_time(file, time);
  CHECK_NOTHROW(open());
  // The header is looked at always.
  damaged[3] = static_cast<char>(damaged[3] ^ 1);
  write(file, damaged);
  fs::last_write_time(file, time);
  CHECK_THROWS_WITH(open(), Catch::Contains("its header"));
  fs::remove(file);
  CHECK(write_cached_volume(file, volume, kSettings) == digest);
  CHECK_NOTHROW(open());
}

TEST_CASE("volume cache: a writer killed at any time leaves whole files alone", "[volumes]") {
  TemporaryFolder folder;
  Rng rng(1, Purpose::kAugmentation, 0, 0, 0);
  int found = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (int16_t i = 0;; i = static_cast<int16_t>((i + 1) % 8))
          write_cached_volume(folder.path() / (std::to_string(i) + ".liere"), made(i, 8, 64, 64), kSettings);
      } catch (...) {
        ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + rng.integer(30000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    for (int16_t i = 0; i < 8; ++i) {
      const auto file = folder.path() / (std::to_string(i) + ".liere");
      if (!fs::exists(file)) continue;
      const auto expected = made(i, 8, 64, 64);
      char digest[17];
      std::snprintf(digest, sizeof digest, "%s", bytes_of(file).substr(32, 16).c_str());
      const CachedVolume cached(file, expected.shape(), kSettings, digest);
      REQUIRE(std::equal(expected.i16(), expected.i16() + expected.shape().elements(), cached.values()));
      ++found;
    }
  }
  CHECK(found > 0);
}
