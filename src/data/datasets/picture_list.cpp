#include "data/datasets/picture_list.h"

#include <algorithm>

#include "core/log.h"

namespace liere {

void PictureList::add(int64_t label, std::string_view name, uint64_t offset, uint64_t length) {
  pictures.push_back({names_.size(), static_cast<uint32_t>(name.size()), static_cast<int32_t>(label), offset, length});
  names_ += name;
}

bool stays_below(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) return false;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

std::string list_some(const std::vector<std::string>& names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < std::min(limit, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > limit ? text + " and " + format_count(static_cast<int64_t>(names.size() - limit)) + " more" : text;
}

}  // namespace liere
