// The tables of labels of CT volumes: any bytes give a table whose rows all have the names' number of zeros and ones, or a DataError.
#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "core/check.h"
#include "data/volumes/labels.h"

namespace {

using Read = liere::LabelTable (*)(std::istream&, const std::string&);

void attempt(Read read, const std::string& text) {
  std::istringstream in(text);
  try {
    const auto table = read(in, "fuzz");
    if (table.names.empty() || table.values.empty() || table.merged < 0) std::abort();
    for (const auto& [key, values] : table.values) {
      if (key.empty() || values.size() != table.names.size()) std::abort();
      bool some = false;
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] != 0 && values[i] != 1) std::abort();
        some |= i > 0 && values[i] == 1;
      }
      if (table.key == liere::LabelKey::kImage && (values[0] == 1) != some) std::abort();
    }
  } catch (const liere::DataError& error) {
    if (std::string(error.what()).find("fuzz, line ") != 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  attempt(liere::read_rsna_labels, text);
  attempt(liere::read_volume_labels, text);
  return 0;
}
