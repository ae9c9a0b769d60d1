// The split of volumes by patient, and the hashes that stand for identifiers.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/volumes/split.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// `patients` with one to three volumes each; about a third of the patients are positive.
std::vector<VolumeEntry> made(int patients) {
  Rng rng(5, Purpose::kAugmentation, 0, 0, 0);
  std::vector<VolumeEntry> entries;
  for (int p = 0; p < patients; ++p) {
    char name[17];
    std::snprintf(name, sizeof name, "%016x", 7919 * p + 13);
    const int64_t volumes = 1 + rng.integer(3);
    const bool positive = rng.integer(3) == 0;
    for (int64_t v = 0; v < volumes; ++v) {
      VolumeEntry entry;
      entry.patient = name;
      entry.id = std::to_string(entries.size());
      entry.labels = {positive && v == 0 ? 1.0f : 0.0f};
      entries.push_back(entry);
    }
  }
  return entries;
}

using Places = std::map<std::string, std::pair<VolumeSplit, int64_t>>;
Places places(const std::vector<VolumeEntry>& entries) {
  Places result;
  for (const auto& entry : entries) {
    const auto [at, fresh] = result.emplace(entry.patient, std::pair(entry.split, entry.fold));
    REQUIRE((fresh || at->second == std::pair(entry.split, entry.fold)));
  }
  return result;
}

}  // namespace

TEST_CASE("split: patients stay together, shares and folds hold in both strata within a patient", "[volumes]") {
  for (const int patients : {20, 57, 400}) {
    auto entries = made(patients);
    split_by_patient(entries, {.validation = 0.2, .test = 0.15, .folds = 5, .seed = 3});
    const auto where = places(entries);
    std::map<std::string, bool> positive;
    for (const auto& entry : entries) positive[entry.patient] |= entry.labels[0] > 0;
    for (const bool stratum : {false, true}) {
      std::map<VolumeSplit, int> parts;
      std::map<int64_t, int> folds;
      int members = 0;
      for (const auto& [patient, place] : where) {
        if (positive[patient] != stratum) continue;
        ++members;
        ++parts[place.first];
        if (place.first != VolumeSplit::kTest) ++folds[place.second];
      }
      CHECK(std::abs(parts[VolumeSplit::kTest] - 0.15 * members) <= 0.5);
      CHECK(std::abs(parts[VolumeSplit::kValidation] - 0.2 * members) <= 0.5);
      int least = members, most = 0;
      for (int64_t fold = 0; fold < 5; ++fold) least = std::min(least, folds[fold]), most = std::max(most, folds[fold]);
      CHECK(most - least <= 1);
    }
  }
}

TEST_CASE("split: the same whatever the order, another one with another seed", "[volumes]") {
  auto a = made(60), b = a;
  std::reverse(b.begin(), b.end());
  split_by_patient(a, {.folds = 3, .seed = 1});
  split_by_patient(b, {.folds = 3, .seed = 1});
  CHECK(places(a) == places(b));
  auto c = made(60);
  split_by_patient(c, {.folds = 3, .seed = 2});
  CHECK(places(a) != places(c));
}

TEST_CASE("split: when patients come, those that were there keep their order: only neighbours of the borders change place", "[volumes]") {
  auto before = made(200), after = made(204);
  split_by_patient(before, {.folds = 1, .seed = 1});
  split_by_patient(after, {.folds = 1, .seed = 1});
  const auto then = places(before), now = places(after);
  int moved = 0;
  for (const auto& [patient, place] : then) moved += place.first != now.at(patient).first;
  CHECK(moved <= 8);  // two borders in two strata, each moved by the share of four new patients
}

TEST_CASE("split: k more patients of a stratum move at most k over the border of the test part and k + 1 over the next", "[volumes]") {
  const auto negative = [](int patients) {
    auto entries = made(patients);
    for (auto& entry : entries) entry.labels = {0.0f};
    return entries;
  };
  int moved = 0;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const int more : {1, 2, 7}) {
      auto before = negative(53), after = negative(53 + more);
      const SplitShares shares{.validation = 0.25, .test = 0.2, .folds = 1, .seed = seed};
      split_by_patient(before, shares);
      split_by_patient(after, shares);
      const auto now = places(after);
      int test = 0, training = 0;
      for (const auto& [patient, place] : places(before)) {
        const auto then = place.first, later = now.at(patient).first;
        test += (then == VolumeSplit::kTest) != (later == VolumeSplit::kTest);
        training += (then == VolumeSplit::kTrain) != (later == VolumeSplit::kTrain);
      }
      REQUIRE(test <= more);
      REQUIRE(training <= more + 1);
      moved += test + training;
    }
  CHECK(moved > 0);
}

TEST_CASE("split: shares that leave nothing are refused", "[volumes]") {
  auto entries = made(10);
  for (const SplitShares& shares :
       {SplitShares{.validation = 0.5, .test = 0.5}, SplitShares{.validation = -0.1}, SplitShares{.folds = 0}, SplitShares{.folds = 50}})
    CHECK_THROWS_AS(split_by_patient(entries, shares), ConfigError);
  auto one = made(1);
  split_by_patient(one, {.validation = 0, .test = 0});
  CHECK(one[0].split == VolumeSplit::kTrain);
}

TEST_CASE("salt: made once, secret, kept", "[volumes]") {
  TemporaryFolder folder;
  const auto salt = load_salt(folder.path(), "");
  CHECK(salt.bytes.size() == 32);
  CHECK(load_salt(folder.path(), "").bytes == salt.bytes);
  struct stat status = {};
  REQUIRE(::stat((folder.path() / "salt").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  TemporaryFolder other;
  CHECK(load_salt(other.path(), "").bytes != salt.bytes);
  CHECK(load_salt(other.path(), folder.path() / "salt").bytes == salt.bytes);
  std::ofstream(other.path() / "short") << "abc";
  CHECK_THROWS_WITH(load_salt(other.path(), other.path() / "short"), has("expected at least 16"));
  CHECK_THROWS_AS(load_salt(other.path(), other.path() / "none"), DataError);
}

#ifdef LIERE_DICOM
TEST_CASE("hashed identifiers: SHA-256 of salt, purpose and text, sixteen digits", "[volumes]") {
  const Salt salt{"0123456789abcdef"};
  // printf '16:0123456789abcdef7:patient5:Alice' | sha256sum
  CHECK(hashed_identifier(salt, "patient", "Alice") == "5076751b0647e955");
  std::set<std::string> all;
  for (const char* purpose : {"patient", "series"})
    for (const char* text : {"", "a", "b", "ab"}) all.insert(hashed_identifier(salt, purpose, text));
  all.insert(hashed_identifier({"another salt...."}, "patient", "a"));
  CHECK(all.size() == 9);
  CHECK(hashed_identifier(salt, "ab", "c") != hashed_identifier(salt, "a", "bc"));
}
#endif
