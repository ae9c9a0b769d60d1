// Decoding: a ConfigNode into a struct, through its list of fields. Strict: every key must be one of the struct's, every value of its type and in its
// range. The templates walk the struct; scalars, lists and keys are read in config_scalars.cpp, which words the errors. Included by config.h; include
// that.
#pragma once

#include <span>

#include "core/config_visitors.h"

namespace liere {

/// The candidate nearest to `name` by edit distance, empty where none is close enough to be meant.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

/// One scalar, read by us; `path` ("model.depth") names it in messages. Throws ConfigError for the wrong type or a value outside the rule's range.
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, bool& value);
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, int64_t& value);
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, uint64_t& value);
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, IntegerOrAuto& value);
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, double& value);
void read_scalar(const ConfigNode& node, const std::string& path, const FieldRule& rule, std::string& value);
/// The index of the name that the node holds.
size_t read_choice(const ConfigNode& node, const std::string& path, std::span<const std::string_view> names);
/// The items of a list; ConfigError for anything else.
const std::vector<ConfigNode>& read_list(const ConfigNode& node, const std::string& path);
/// Whether an optional value is written as null or ~.
bool is_absent(const ConfigNode& node);

/// The keys of one map, ticked off as the fields ask for them; what is left over is unknown.
class MapReader {
 public:
  /// ConfigError unless `node` is a map.
  MapReader(const ConfigNode& node, std::string path);
  /// ConfigError for the first key that no field asked for.
  void reject_unknown() const;

 protected:
  /// The value of a key, nullptr where it is not given. Two fields of one name are a programming error (std::logic_error).
  const ConfigNode* take(std::string_view key);
  /// The alternative that the key `kind` names, `held` where it is not given.
  size_t take_kind(std::span<const std::string_view> kinds, size_t held);
  std::string path_of(std::string_view key) const { return path_.empty() ? std::string(key) : path_ + "." + std::string(key); }

  /// Keys of the kinds that were not chosen, for a better message: kind, key.
  std::vector<std::pair<std::string_view, std::string>> foreign_;

 private:
  const ConfigNode& node_;
  std::string path_;
  std::string_view kind_;
  std::vector<std::string_view> known_;
};

/// Collects the keys of a struct without a value to decode.
struct KeyCollector {
  std::string_view kind;
  std::vector<std::pair<std::string_view, std::string>>& keys;
  template <class T>
  void operator()(const char* name, T&, const char*, FieldRule = {}) {
    keys.emplace_back(kind, name);
  }
  template <SectionField T>
  void flatten(T& part) {
    if constexpr (!kIsVariant<T>) fields(*this, part);
  }
};

template <class T>
void decode_value(const ConfigNode& node, const std::string& path, const FieldRule& rule, T& value);

class Decoder : public MapReader {
 public:
  using MapReader::MapReader;
  template <class T>
  void operator()(const char* name, T& value, const char*, FieldRule rule = {}) {
    if (const ConfigNode* node = take(name)) decode_value(*node, path_of(name), rule, value);
  }
  template <class T>
  void flatten(T& part) {
    fields(*this, part);
  }
  template <class... Ts>
  void flatten(std::variant<Ts...>& value) {
    static constexpr std::string_view kKinds[] = {Ts::kind...};
    const size_t chosen = take_kind(kKinds, value.index());
    size_t index = 0;
    (decode_alternative<Ts>(value, index++ == chosen), ...);
  }

 private:
  template <class T, class Variant>
  void decode_alternative(Variant& value, bool chosen) {
    if (!chosen) {
      T other;
      KeyCollector collector{T::kind, foreign_};
      fields(collector, other);
      return;
    }
    if (!std::holds_alternative<T>(value)) value.template emplace<T>();
    fields(*this, std::get<T>(value));
  }
};

template <class T>
void decode_value(const ConfigNode& node, const std::string& path, const FieldRule& rule, T& value) {
  if constexpr (ScalarField<T>) {
    read_scalar(node, path, rule, value);
  } else if constexpr (std::is_enum_v<T>) {
    value = EnumNames<T>::values[read_choice(node, path, enum_names<T>())].first;
  } else if constexpr (kIsOptional<T>) {
    if (is_absent(node)) return value.reset();
    if (!value) value.emplace();
    decode_value(node, path, rule, *value);
  } else if constexpr (kIsList<T>) {
    T items;
    for (const ConfigNode& item : read_list(node, path)) {
      typename T::value_type element{};
      decode_value(item, path + "[" + std::to_string(items.size()) + "]", rule, element);
      items.push_back(std::move(element));
    }
    value = std::move(items);
  } else if constexpr (std::same_as<T, ConfigNode>) {
    value = node;
  } else {
    Decoder decoder(node, path);
    decoder.flatten(value);
    decoder.reject_unknown();
  }
}

/// Reads `node` into `config`; keys that are not given keep their values. Throws ConfigError.
template <class T>
void decode(const ConfigNode& node, T& config) {
  decode_value(node, "", {}, config);
}

}  // namespace liere
