// Strict YAML configuration: parse with marks, inherit (`base:`), override (a.b=c), decode into structs, dump, document, hash.
// Parsed through YAML::EventHandler into nodes of our own: duplicate keys, aliases, tags, several documents, depth > 32 and files over 1 MiB are
// errors, and scalars are read by us (yaml-cpp reads 010 as octal and takes duplicates). Every error is "file:line:column: what, what was expected,
// nearest valid name".
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"

namespace liere {

/// Where a value came from: "cifar100_liere.yaml:12:3", "base/cifar100.yaml:4:1", "command line 'a.b=1'", "default". Lines and columns (bytes) count
/// from 1.
struct Origin {
  std::string source = "default";
  int line = 0, column = 0;
  std::string text() const;
};

/// A YAML node with its mark. Scalars keep their raw text and whether they were quoted; a null keeps "null", "~" or, where nothing is written, "".
/// As a member of a configuration struct it takes any YAML, is dumped back and never belongs to the identity (`reproduces`).
struct ConfigNode {
  enum class Type { kNull, kScalar, kSequence, kMap };
  Type type = Type::kNull;
  std::string scalar;
  bool quoted = false;
  std::vector<ConfigNode> items;
  std::vector<std::pair<std::string, ConfigNode>> entries;  // in file order
  Origin origin;
  Origin key_origin;  // of the key that holds this node

  const ConfigNode* find(std::string_view key) const;
};

constexpr uint64_t kMaxConfigBytes = uint64_t(1) << 20;

/// Parses text (for tests and stdin) into a map, an empty one from an empty text; `source` names it in messages. Throws ConfigError.
ConfigNode parse_config(std::string_view text, const std::string& source);

/// As parse_config, but the text may be a scalar or a list.
ConfigNode parse_yaml(std::string_view text, const std::string& source);

/// Refuses what is not text (NUL, invalid UTF-8, control characters), and what YAML would ignore (directives) or take for something else (tabs as
/// indentation).
void check_config_text(std::string_view text, const std::string& source);

/// Reads `path` and, through its `base:` key (relative to the file; a cycle is an error), what it inherits; maps merge key by key, other values
/// replace. A map whose `kind` differs from the inherited one replaces it as a whole. Then the overrides "a.b=value", merged by the same rules, the
/// last of equal ones wins; values are YAML scalars or flow sequences (lists by a.b=[1,2]), a value that opens no list or quotation is taken as it
/// stands. Throws ConfigError.
ConfigNode load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides);

/// The overrides alone, on a map that is already there.
void apply_overrides(ConfigNode& root, const std::vector<std::string>& overrides);

/// Values that go with a key (`compat: liere_release`): they stand where the key stands, above what its file inherits and below what the file, or for a key on
/// the command line the other overrides, say beside it.
struct ConfigPreset {
  std::string key;
  ConfigNode values;  // a map; its origins name the preset
};
/// As load_config, with `preset.values` wherever `preset.key` stands.
ConfigNode load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides, const ConfigPreset& preset);

/// A config by name: the path itself, else ./configs/NAME, else the installed share folder beside the executable; ".yaml" may be left out.
/// Throws ConfigError that lists where it looked and the nearest name.
std::filesystem::path find_config(const std::string& name);

}  // namespace liere

#include "core/config_visitors.h"

// From config_visitors.h:
//   template <class T> void decode(const ConfigNode& node, T& config);            strict; throws ConfigError
//   template <class T> std::string dump(const T& config);                          YAML of every field, parses back to an equal config
//   template <class T> std::string dump_with_origins(const T&, const ConfigNode&);  for --print-config: "key: value  # origin"
//   template <class T> std::string document(const T& defaults);                    Markdown tables of keys, types, defaults, ranges, sentences
//   (docs/configs.md) template <class T> std::vector<std::string> identity_lines(const T&);          sorted "path=value" of identity fields that
//   differ from T{} std::string identity_hash(const std::vector<std::string>& lines);              XXH3-128 in hex std::vector<std::string>
//   compare_identity(here, there);                        "path: here X, there Y" for each line that differs
