#include "data/volumes/split.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>

#include "core/check.h"
#include "core/files.h"

#ifdef LIERE_DICOM
#include <openssl/evp.h>
#endif

namespace liere {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSaltBytes = 32;

std::string random_bytes() {
  std::string bytes(kSaltBytes, '\0');
  const int source = ::open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  const bool read = source >= 0 && ::read(source, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (source >= 0) ::close(source);
  if (!read) throw DataError("the system's random numbers (/dev/urandom) cannot be read, which a new salt needs. Name one with --salt-file.");
  return bytes;
}

/// Makes it, unless another process was faster: a salt is never replaced.
void make_salt(const fs::path& path) {
  const fs::path fresh = path.string() + ".tmp-" + std::to_string(::getpid());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const auto bytes = random_bytes();
  const bool written = file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && ::fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  const bool linked = written && (::link(fresh.c_str(), path.c_str()) == 0 || errno == EEXIST || ::rename(fresh.c_str(), path.c_str()) == 0);
  ::unlink(fresh.c_str());
  if (!linked) throw Error(ExitCode::kFailure, "the salt " + path.string() + " cannot be written: " + std::strerror(written ? errno : error) + ".");
}

struct Patient {
  std::string name;
  uint64_t order = 0;
  bool positive = false;
};

/// Patients of each stratum in the order of a hash of (seed, patient).
std::map<bool, std::vector<Patient>> strata_of(const std::vector<VolumeEntry>& entries, uint64_t seed) {
  std::map<std::string, bool> patients;
  for (const auto& entry : entries) patients[entry.patient] |= !entry.labels.empty() && entry.labels.front() > 0.5f;
  std::map<bool, std::vector<Patient>> strata;
  for (const auto& [name, positive] : patients) strata[positive].push_back({name, XXH3_64bits_withSeed(name.data(), name.size(), seed), positive});
  for (auto& [positive, members] : strata)
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return std::pair(a.order, a.name) < std::pair(b.order, b.name); });
  return strata;
}

void refuse(const std::string& what) { throw ConfigError(what + " Lower --validation, --test or --folds."); }

}  // namespace

Salt load_salt(const fs::path& root, const fs::path& file) {
  const auto path = file.empty() ? root / "salt" : file;
  std::error_code ignored;
  if (file.empty() && !fs::exists(path, ignored)) make_salt(path);
  const auto bytes = read_file(path, 1 << 20);
  if (bytes.size() < 16)
    throw DataError("the salt " + path.string() + " has " + std::to_string(bytes.size()) +
                    " bytes, expected at least 16 secret ones: identifiers could be found again by trying. Make one with head -c 32 /dev/urandom.");
  return {bytes};
}

std::string hashed_identifier([[maybe_unused]] const Salt& salt, [[maybe_unused]] const std::string& purpose,
                              [[maybe_unused]] const std::string& identifier) {
#ifdef LIERE_DICOM
  // Lengths before texts: no two triples have the same bytes.
  std::string bytes;
  for (const auto* part : {&salt.bytes, &purpose, &identifier}) bytes += std::to_string(part->size()) + ":" + *part;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1 || size < 8)
    throw Error(ExitCode::kFailure, "SHA-256 failed: this is a defect, please report it.");
  char text[17];
  for (int i = 0; i < 8; ++i) std::snprintf(text + 2 * i, 3, "%02x", digest[i]);
  return text;
#else
  throw ConfigError("Preparing volumes needs a build with DICOM (LIERE_DICOM): install libdcmtk-dev and libssl-dev and build it again.");
#endif
}

void split_by_patient(std::vector<VolumeEntry>& entries, const SplitShares& shares) {
  if (!(shares.validation >= 0) || !(shares.test >= 0) || !(shares.validation + shares.test < 1) || shares.folds < 1)
    refuse("the shares of validation (" + std::to_string(shares.validation) + ") and test (" + std::to_string(shares.test) +
           ") must be at least 0 and leave something for training; folds at least 1.");
  std::map<std::string, std::pair<VolumeSplit, int64_t>> place;
  int64_t training = 0, outside_test = 0, next_fold = 0;
  for (const auto& [positive, members] : strata_of(entries, shares.seed)) {
    const auto n = static_cast<double>(members.size());
    const auto test = std::llround(n * shares.test), validation = std::llround(n * shares.validation);
    for (int64_t i = 0; i < static_cast<int64_t>(members.size()); ++i) {
      const auto split = i < test ? VolumeSplit::kTest : i < test + validation ? VolumeSplit::kValidation : VolumeSplit::kTrain;
      // Folds are dealt out like cards, on through the strata: none has two more than another.
      const int64_t fold = split == VolumeSplit::kTest ? 0 : next_fold++ % shares.folds;
      place[members[static_cast<size_t>(i)].name] = {split, fold};
      training += split == VolumeSplit::kTrain;
      outside_test += split != VolumeSplit::kTest;
    }
  }
  if (training == 0) refuse("of " + std::to_string(place.size()) + " patients none is left for training.");
  if (outside_test < shares.folds)
    refuse("there are " + std::to_string(shares.folds) + " folds for " + std::to_string(outside_test) + " patients outside of the test part.");
  for (auto& entry : entries) std::tie(entry.split, entry.fold) = place.at(entry.patient);
}

}  // namespace liere
