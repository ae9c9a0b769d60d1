#include "data/class_names.h"

#include <algorithm>

#include "core/check.h"

namespace liere {

void require_same_classes(const std::vector<std::string>& trained, const std::string& checkpoint, const std::vector<std::string>& found, const std::string& dataset) {
  if (trained == found) return;
  const size_t shared = std::min(trained.size(), found.size());
  const size_t place = std::mismatch(trained.begin(), trained.begin() + static_cast<std::ptrdiff_t>(shared), found.begin()).first - trained.begin();
  const auto name = [&](const std::vector<std::string>& names) { return place < names.size() ? "\"" + names[place] + "\"" : std::string("none"); };
  throw DataError(dataset + ": expected the " + std::to_string(trained.size()) + " classes that " + checkpoint + " was trained on, found " + std::to_string(found.size()) +
                  "; the first that differs is class " + std::to_string(place) + ", " + name(trained) + " in the checkpoint and " + name(found) +
                  " in the data. Set data.root to the data that it was trained on.");
}

}  // namespace liere
