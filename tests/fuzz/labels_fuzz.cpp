// Lists of labels and class tables: any bytes give labels that are usable as names of files and folders, or a DataError.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "core/check.h"
#include "data/datasets/class_table.h"
#include "data/datasets/label_files.h"
#include "data/datasets/picture_list.h"

namespace {

using namespace liere;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: a list that was accepted breaks a rule: %s\n", what);
  std::abort();
}

bool usable(std::string_view name) { return stays_below(name) && name.find('/') == std::string_view::npos; }

template <class Body>
void tolerate_data_error(const Body& body) {
  try {
    body();
  } catch (const DataError&) {
  }
}

void check_labels(const LabelsByName& labels) {
  std::string again = "ImageId,PredictionString\n";
  for (const auto& [name, label] : labels) {
    require(usable(name) && usable(label), "a name leaves its folder");
    again += name + "," + label + " 0 0 1 1\n";
  }
  // Only Kaggle's form cuts at commas.
  for (const auto& [name, label] : labels)
    if (name.find(',') != std::string::npos) return;
  require(parse_kaggle_labels(again, "again") == labels, "its labels, written as a list, are read as others");
}

void check_names(const std::vector<std::string>& names) {
  require(!names.empty(), "there are no classes");
  for (const auto& name : names) require(usable(name), "a class is no folder's name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tolerate_data_error([&] { check_labels(parse_kaggle_labels(text, "fuzz")); });
  tolerate_data_error([&] { check_labels(parse_tiny_imagenet_labels(text, "fuzz")); });
  tolerate_data_error([&] {
    for (const int64_t id : parse_ground_truth(text, 1000, "fuzz")) require(id >= 1 && id <= 1000, "a label is out of range");
  });
  tolerate_data_error([&] { check_names(parse_class_table(text, "fuzz")); });
  tolerate_data_error([&] { check_names(parse_meta_mat(text, "fuzz")); });
  return 0;
}
