// Configuration files: found by name, read through their base files, overridden from the command line.
#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/config.h"
#include "core/files.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using Type = ConfigNode::Type;

[[noreturn]] void fail(const Origin& origin, const std::string& message) { throw ConfigError(origin.text() + ": " + message); }

ConfigNode* find(ConfigNode& map, std::string_view key) { return const_cast<ConfigNode*>(map.find(key)); }

bool other_kind(const ConfigNode& under, const ConfigNode& over) {
  const ConfigNode *inherited = under.find("kind"), *given = over.find("kind");
  return inherited && given && inherited->scalar != given->scalar;
}

/// Puts `over` on top of `under`.
void merge(ConfigNode& under, ConfigNode over) {
  if (under.type != Type::kMap || over.type != Type::kMap || other_kind(under, over)) {
    under = std::move(over);
    return;
  }
  for (auto& [key, value] : over.entries) {
    if (ConfigNode* inherited = find(under, key))
      merge(*inherited, std::move(value));
    else
      under.entries.emplace_back(key, std::move(value));
  }
}

/// Takes the key `base` out of a file's map; empty where there is none.
std::optional<ConfigNode> take_base(ConfigNode& file) {
  const auto entry = std::find_if(file.entries.begin(), file.entries.end(), [](const auto& each) { return each.first == "base"; });
  if (entry == file.entries.end()) return std::nullopt;
  ConfigNode base = std::move(entry->second);
  file.entries.erase(entry);
  if (base.type != Type::kScalar || base.scalar.empty())
    fail(base.type == Type::kNull ? base.key_origin : base.origin,
         "'base' must be the path of one file, relative to this one, such as base/cifar100.yaml.");
  return base;
}

ConfigNode read_with_base(const fs::path& path, std::vector<fs::path>& chain, const ConfigPreset& preset) {
  std::string text;
  try {
    text = read_file(path, kMaxConfigBytes);
  } catch (const Error& error) {
    throw ConfigError(error.what());
  }
  ConfigNode file = parse_config(text, path.string());
  const auto base = take_base(file);
  const bool has_preset = !preset.key.empty() && file.find(preset.key);
  if (!base) {
    if (!has_preset) return file;
    ConfigNode root = preset.values;
    merge(root, std::move(file));
    return root;
  }
  chain.push_back(path);
  const fs::path base_path = (path.parent_path() / base->scalar).lexically_normal();
  if (!fs::exists(base_path))
    fail(base->origin, "the base file " + base_path.string() + " does not exist. Paths of base files are relative to the file that names them.");
  for (size_t i = 0; i < chain.size(); ++i) {
    std::error_code ignored;
    if (!fs::equivalent(chain[i], base_path, ignored)) continue;
    std::string circle;
    for (size_t j = i; j < chain.size(); ++j) circle += chain[j].string() + " -> ";
    fail(base->origin, "base files inherit from each other in a circle: " + circle + base_path.string() + ".");
  }
  ConfigNode root = read_with_base(base_path, chain, preset);
  if (has_preset) merge(root, preset.values);
  merge(root, std::move(file));
  return root;
}

[[noreturn]] void fail_override(const std::string& text, const std::string& why) {
  throw ConfigError("command line '" + text + "': " + why +
                    " Write overrides as key=value, such as model.position.block_size=8 or model.patch=[4,4].");
}

ConfigNode override_value(const std::string& text, const Origin& origin) {
  // Only what opens a list or quotation (or what YAML gives a meaning of its own, to be refused) is parsed: output=a: b #1 is the text itself.
  ConfigNode value;
  if (!text.empty() && std::string_view("[{\"'&*!|>%@`").find(text[0]) != std::string_view::npos) {
    value = parse_yaml(text, origin.source);
    if (value.type == Type::kMap) fail(origin, "a map is not taken here. Give each key on its own, such as model.position.kind=rope.");
  } else {
    check_config_text(text, origin.source);
    const bool null = text.empty() || text == "null" || text == "~";
    value.type = null ? Type::kNull : Type::kScalar;
    value.scalar = text;
  }
  return value;
}

void set_origin(ConfigNode& node, const Origin& origin) {
  node.origin = node.key_origin = origin;
  for (ConfigNode& item : node.items) set_origin(item, origin);
  for (auto& [key, value] : node.entries) set_origin(value, origin);
}

/// One override as maps around its value.
ConfigNode parse_override(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) fail_override(text, "an override without '='.");
  if (equals == 0) fail_override(text, "an override without a key.");
  const Origin origin{"command line '" + text + "'"};
  ConfigNode node = override_value(text.substr(equals + 1), origin);
  std::string_view path = std::string_view(text).substr(0, equals);
  if (path == "base") fail_override(text, "'base' belongs to a file and cannot be overridden. Name another file with --config.");
  for (int depth = 0; !path.empty(); ++depth) {
    const size_t dot = path.rfind('.');
    const std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
    if (key.empty() || dot == 0) fail_override(text, "a key between two dots is empty.");
    if (depth == 32) fail_override(text, "more than 32 keys deep.");
    ConfigNode map;
    map.type = Type::kMap;
    map.entries.emplace_back(std::string(key), std::move(node));
    node = std::move(map);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
  }
  set_origin(node, origin);
  return node;
}

ConfigNode merged_overrides(const std::vector<std::string>& overrides) {
  ConfigNode given;
  given.type = Type::kMap;
  for (const std::string& text : overrides) merge(given, parse_override(text));
  return given;
}

fs::path executable_folder() {
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : executable.parent_path();
}

/// The configs in `folder` and below, as names without ".yaml".
void collect_names(const fs::path& folder, std::set<std::string>& names) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry.depth() > 3) entry.disable_recursion_pending();
    if (entry->path().extension() == ".yaml") names.insert(entry->path().lexically_relative(folder).replace_extension().string());
  }
}

}  // namespace

ConfigNode load_config(const fs::path& path, const std::vector<std::string>& overrides) { return load_config(path, overrides, {}); }

ConfigNode load_config(const fs::path& path, const std::vector<std::string>& overrides, const ConfigPreset& preset) {
  std::vector<fs::path> chain;
  ConfigNode root = read_with_base(path, chain, preset), given = merged_overrides(overrides);
  if (!preset.key.empty() && given.find(preset.key)) merge(root, preset.values);
  merge(root, std::move(given));
  return root;
}

void apply_overrides(ConfigNode& root, const std::vector<std::string>& overrides) { merge(root, merged_overrides(overrides)); }

fs::path find_config(const std::string& name) {
  std::vector<fs::path> folders = {"", "configs"};
  if (const fs::path bin = executable_folder(); !bin.empty()) {
    folders.push_back((bin / "../share/liere/configs").lexically_normal());
    folders.push_back((bin / "../../../configs").lexically_normal());  // a build in the source tree: build/<preset>/bin
  }
  if (name.empty()) throw ConfigError("no configuration is named. Give --config NAME, such as --config cifar100_liere.yaml.");
  std::string looked;
  for (const fs::path& folder : folders) {
    for (const std::string& file : {name, name + ".yaml"}) {
      const fs::path path = folder / file;
      std::error_code ignored;
      if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) return path;
    }
    looked += (looked.empty() ? "" : ", ") + (folder.empty() ? "." : folder.string());
  }
  std::set<std::string> names;
  for (size_t i = 1; i < folders.size(); ++i) collect_names(folders[i], names);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  std::string wanted = name;
  if (wanted.ends_with(".yaml")) wanted.resize(wanted.size() - 5);
  const std::string nearest = nearest_name(wanted, candidates);
  throw ConfigError("there is no configuration '" + name + "' (looked in " + looked + ")." +
                    (nearest.empty() ? " Give the path of a .yaml file." : " Did you mean '" + nearest + ".yaml'?"));
}

}  // namespace liere
