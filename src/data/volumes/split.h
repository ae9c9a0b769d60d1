// Which volume belongs to training, validation or test: by patient, stratified by the first label, from salted hashes alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/volumes/manifest.h"

namespace liere {

/// 32 secret bytes that keep identifiers from being found again by hashing guesses. Never printed, never in a manifest.
struct Salt {
  std::string bytes;
};

/// Of `file` when it is not empty, else of root/salt, which is made from the system's random numbers (mode 600) when it is not there. Throws
/// DataError: too short, unreadable.
Salt load_salt(const std::filesystem::path& root, const std::filesystem::path& file);

/// 16 hexadecimal digits of SHA-256(salt, purpose, identifier): equal for equal identifiers, different for different purposes ("patient", "series").
std::string hashed_identifier(const Salt& salt, const std::string& purpose, const std::string& identifier);

struct SplitShares {
  double validation = 0.15, test = 0.15;  // of the patients
  int64_t folds = 1;                      // of the patients that are not in the test part
  uint64_t seed = 0;
};

/// Sets split and fold of every entry from its patient and first label (a patient is positive when one of its volumes is): within each stratum the
/// patients in the order of a hash of (seed, patient). The same whatever the entries' order. Throws ConfigError when the shares do not leave a
/// patient for training or folds exceed the patients.
void split_by_patient(std::vector<VolumeEntry>& entries, const SplitShares& shares);

}  // namespace liere
