// The identity of a run: its configuration as lines, and their hash.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/config.h"

namespace liere {
namespace {

using Form = Field::Form;

/// One value with two names: its path, and that path with the kinds along it, under which it is compared with its default
/// (the default of `position.base` depends on position's kind).
struct Line {
  std::string path, qualified, value;
};

/// Visits the values of a tree. Of a variant, `all_kinds` takes every alternative (for defaults), else the chosen one.
class Collector {
 public:
  explicit Collector(bool all_kinds) : all_kinds_(all_kinds) {}
  std::vector<Line> lines;

  void section(const std::vector<Field>& list, const std::string& path, const std::string& qualified) {
    for (const Field& field : list) {
      if (!field.rule.identity || field.form == Form::kFree) continue;
      if (field.form == Form::kVariant)
        variant(field, path, qualified);
      else
        named(field, join(path, field.name), join(qualified, field.name));
    }
  }

 private:
  static std::string join(const std::string& path, const std::string& name) { return path.empty() ? name : path + "." + name; }

  void named(const Field& field, const std::string& path, const std::string& qualified) {
    if (field.form == Form::kLeaf) lines.push_back({path, qualified, field.value});
    if (field.form == Form::kSection) {
      if (field.optional) lines.push_back({path, qualified, field.present ? "given" : "null"});
      if (field.present || all_kinds_) section(field.children, path, qualified);
    }
    if (field.form != Form::kList) return;
    lines.push_back({path, qualified, std::to_string(field.children.size()) + " items"});
    // Items have no defaults of their own but those of their struct, whichever place they stand in.
    const auto& items = all_kinds_ ? field.prototype : field.children;
    for (size_t i = 0; i < items.size(); ++i) section(items[i].children, path + "[" + std::to_string(i) + "]", qualified + "[]");
  }

  void variant(const Field& field, const std::string& path, const std::string& qualified) {
    lines.push_back({join(path, "kind"), join(qualified, "kind"), scalar_text(field.kind)});
    for (const Field& alternative : field.children)
      if (all_kinds_ || alternative.name == field.kind) section(alternative.children, path, qualified + "<" + alternative.name + ">");
  }

  bool all_kinds_;
};

std::map<std::string, std::string> split(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> values;
  for (const std::string& line : lines) {
    const size_t equals = line.find('=');
    values[line.substr(0, equals)] = equals == std::string::npos ? "" : line.substr(equals + 1);
  }
  return values;
}

}  // namespace

std::vector<std::string> identity_of_fields(const Field& root, const Field& defaults) {
  Collector given(false), usual(true);
  given.section(root.children, "", "");
  usual.section(defaults.children, "", "");
  std::map<std::string, std::string> baseline;
  for (const Line& line : usual.lines) baseline[line.qualified] = line.value;
  std::vector<std::string> lines;
  for (const Line& line : given.lines) {
    const auto found = baseline.find(line.qualified);
    if (found == baseline.end() || found->second != line.value) lines.push_back(line.path + "=" + line.value);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string identity_hash(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(text.data(), text.size()));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hexadecimal;
  for (const unsigned char byte : canonical.digest) hexadecimal += {kDigits[byte >> 4], kDigits[byte & 15]};
  return hexadecimal;
}

std::vector<std::string> compare_identity(const std::vector<std::string>& here, const std::vector<std::string>& there) {
  const auto ours = split(here), theirs = split(there);
  std::set<std::string> paths;
  for (const auto* side : {&ours, &theirs})
    for (const auto& [path, value] : *side) paths.insert(path);
  std::vector<std::string> differences;
  for (const std::string& path : paths) {
    const auto value = [&](const auto& side) { return side.contains(path) ? side.at(path) : "its default"; };
    const std::string left = value(ours), right = value(theirs);
    if (left != right) differences.push_back(path + ": here " + left + ", there " + right);
  }
  return differences;
}

}  // namespace liere
