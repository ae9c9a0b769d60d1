#include "report/attention.h"

#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "report/html.h"

namespace liere::report {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kLargestPicture = uint64_t(16) << 20;

std::string text_of(const nlohmann::json& picture, const char* key) {
  const auto found = picture.is_object() ? picture.find(key) : picture.end();
  return picture.is_object() && found != picture.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string figure(const Run& run, const fs::path& folder, const nlohmann::json& picture) {
  const std::string name = text_of(picture, "file"), caption = text_of(picture, "caption");
  if (name.empty() || fs::path(name).filename() != name || !name.ends_with(".png"))
    throw DataError((folder / "attention.json").string() + ": expected \"file\": the name of a PNG beside it, found '" + name +
                    "'. Make it again with: liere-eval --test attention --fresh");
  const std::string bytes = read_file(folder / name, kLargestPicture);
  if (!bytes.starts_with("\x89PNG\r\n\x1a\n"))
    throw DataError((folder / name).string() +
                    ": expected a PNG picture, found something else. Make it again with: liere-eval --test attention --fresh");
  return "<figure><div class=\"wide\"><img src=\"" + png_uri(bytes) + "\" alt=\"" + escaped_for_html(caption) + "\"/></div><figcaption>" +
         escaped_for_html(run.label) + (caption.empty() ? "" : ": " + escaped_for_html(caption)) + "</figcaption></figure>\n";
}

}  // namespace

Section attention_section(const std::vector<Run>& runs) {
  Section section{"Attention", ""};
  for (const Run& run : runs) {
    const fs::path folder = run.folder / "eval" / "attention", path = folder / "attention.json";
    std::error_code ignored;
    if (!fs::exists(path, ignored)) continue;
    const auto parsed = nlohmann::json::parse(read_file(path), nullptr, false);
    if (!parsed.is_object() || !parsed.contains("pictures") || !parsed["pictures"].is_array())
      throw DataError(path.string() +
                      ": expected {\"pictures\": [..]}, found something else. Make it again with: liere-eval --test attention --fresh");
    for (const auto& picture : parsed["pictures"]) section.html += figure(run, folder, picture);
  }
  return section;
}

}  // namespace liere::report
