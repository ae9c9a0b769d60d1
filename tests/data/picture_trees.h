// Trees of small pictures, made by the tests in every form in which people have ImageNet.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "data/encoded_pictures.h"

namespace liere::test {

namespace fs = std::filesystem;

inline void put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, content);
}

/// A JPEG of its own for each n: 8 + n % 5 rows, 10 columns.
inline std::string picture(int n) { return encode_jpeg(formula_picture(8 + n % 5, 10 + n / 5)); }

/// root/train and root/val with the classes; two training pictures and one for validation in each.
inline void make_class_folders(const fs::path& root, const std::vector<std::string>& classes) {
  int n = 0;
  for (const auto& name : classes) {
    put(root / "train" / name / (name + "_1.JPEG"), picture(n++));
    put(root / "train" / name / (name + "_2.JPEG"), picture(n++));
    put(root / "val" / name / ("ILSVRC2012_val_0000000" + std::to_string(n) + ".JPEG"), picture(n));
  }
}

/// What `body` throws as DataError; "no error" otherwise.
template <class Body>
std::string data_error(const Body& body) {
  try {
    body();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace liere::test
