// The lists of labels and the devkit's class table: any bytes give labels and names of classes that stay in their folder, or a DataError.
#include <cstdint>
#include <cstdlib>

#include "core/check.h"
#include "data/datasets/class_table.h"
#include "data/datasets/label_files.h"
#include "data/datasets/picture_list.h"

namespace {

template <class Body>
void attempt(const Body& body) {
  try {
    body();
  } catch (const liere::DataError&) {
  }
}

void check_name(const std::string& name) {
  if (!liere::stays_below(name) || name.find('/') != std::string::npos) std::abort();
}

void check_labels(const liere::LabelsByName& labels) {
  for (const auto& [picture, label] : labels) check_name(picture), check_name(label);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { check_labels(liere::parse_kaggle_labels(text, "fuzz")); });
  attempt([&] { check_labels(liere::parse_tiny_imagenet_labels(text, "fuzz")); });
  attempt([&] {
    for (const int64_t id : liere::parse_ground_truth(text, 1000, "fuzz"))
      if (id < 1 || id > 1000) std::abort();
  });
  attempt([&] {
    for (const auto& name : liere::parse_meta_mat(text, "fuzz")) check_name(name);
  });
  attempt([&] {
    for (const auto& name : liere::parse_class_table(text, "fuzz")) check_name(name);
  });
  return 0;
}
