// Fields as YAML and as Markdown.
#include <algorithm>
#include <charconv>

#include "core/config.h"

namespace liere {
namespace {

using Form = Field::Form;
using Type = ConfigNode::Type;

/// Whether YAML reads the text back as the same string without quotation marks.
bool is_plain(const std::string& text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+'; };
  if (text.empty() || !letter(text[0]) || !std::all_of(text.begin(), text.end(), inner)) return false;
  std::string lower = text;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const char* const word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
    if (lower == word) return false;
  return true;
}

/// Whether an unquoted scalar of a free node may stay unquoted: numbers and words.
bool stays_plain(const ConfigNode& node) {
  const auto inner = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'; };
  const std::string& text = node.scalar;
  const bool numeric = !text.empty() && text.find_first_of("0123456789") != std::string::npos && std::all_of(text.begin(), text.end(), inner);
  return !node.quoted && (numeric || is_plain(text) || text == "true" || text == "false");
}

/// YAML written line by line, each with an optional origin as its comment.
class YamlWriter {
 public:
  explicit YamlWriter(bool origins) : origins_(origins) {}
  std::string take() { return std::move(out_); }

  /// `origin` is where the value comes from; nullptr: its default. Only values have one, not the head of a section.
  void line(int indent, const std::string& text, bool is_value, const ConfigNode* origin) {
    std::string line = std::string(static_cast<size_t>(indent) * 2, ' ') + text;
    if (origins_ && is_value) {
      constexpr size_t kCommentColumn = 40;
      line.resize(std::max(line.size(), kCommentColumn - 2), ' ');
      // The line is the override once more: "command line" says enough.
      const std::string where = origin ? origin->origin.text() : "default";
      line += "  # " + (where.starts_with("command line") ? "command line" : where);
    }
    out_ += line + "\n";
  }

  void fields(const std::vector<Field>& list, int indent, const ConfigNode* given) {
    for (const Field& each : list) field(each, indent, given);
  }

  /// `name` of a free node ends in ":" or is the "-" of a list.
  void free(const std::string& name, const ConfigNode& node, int indent, const ConfigNode* origin) {
    if (node.type == Type::kMap && !node.entries.empty()) {
      line(indent, name, false, nullptr);
      for (const auto& [key, value] : node.entries) free(scalar_text(key) + ":", value, indent + 1, origin ? &value : nullptr);
    } else if (node.type == Type::kSequence && !node.items.empty()) {
      line(indent, name, false, nullptr);
      for (const ConfigNode& item : node.items) free("-", item, indent + 1, origin ? &item : nullptr);
    } else {
      line(indent, name + " " + free_leaf(node), true, origin);
    }
  }

 private:
  static std::string free_leaf(const ConfigNode& node) {
    switch (node.type) {
      case Type::kNull:
        return "null";
      case Type::kSequence:
        return "[]";
      case Type::kMap:
        return "{}";
      case Type::kScalar:
        break;
    }
    return stays_plain(node) ? node.scalar : scalar_text(node.scalar);
  }

  static bool has_keys(const Field& section) { return !section.children.empty(); }

  void field(const Field& field, int indent, const ConfigNode* given) {
    const ConfigNode* value = given ? given->find(field.name) : nullptr;
    const std::string head = field.name + ":";
    switch (field.form) {
      case Form::kLeaf:
        line(indent, head + " " + field.value, true, value);
        break;
      case Form::kFree:
        free(head, field.node, indent, value);
        break;
      case Form::kVariant:
        variant(field, indent, given);
        break;
      case Form::kSection:
        if (!field.present) {
          line(indent, head + " null", true, value);
        } else if (!has_keys(field)) {
          line(indent, head + " {}", true, value);
        } else {
          line(indent, head, false, nullptr);
          fields(field.children, indent + 1, value);
        }
        break;
      case Form::kList:
        list(field, indent, value);
        break;
    }
  }

  void variant(const Field& field, int indent, const ConfigNode* given) {
    line(indent, "kind: " + scalar_text(field.kind), true, given ? given->find("kind") : nullptr);
    for (const Field& alternative : field.children)
      if (alternative.name == field.kind) fields(alternative.children, indent, given);
  }

  void list(const Field& field, int indent, const ConfigNode* given) {
    if (field.children.empty()) return line(indent, field.name + ": []", true, given);
    line(indent, field.name + ":", false, nullptr);
    for (size_t i = 0; i < field.children.size(); ++i) {
      const ConfigNode* item = given && i < given->items.size() ? &given->items[i] : nullptr;
      if (!has_keys(field.children[i])) {
        line(indent + 1, "- {}", true, item);
        continue;
      }
      line(indent + 1, "-", false, nullptr);
      fields(field.children[i].children, indent + 2, item);
    }
  }

  bool origins_;
  std::string out_;
};

/// Tables of a section, then those of its kinds and of the sections below it.
class MarkdownWriter {
 public:
  std::string take() { return std::move(out_); }

  void section(const std::string& path, const std::vector<Field>& list, int level) {
    table(list);
    for (const Field& field : list) {
      if (field.form == Form::kVariant) kinds(path, field, level);
      const std::string below = path.empty() ? field.name : path + "." + field.name;
      if (field.form == Form::kSection) nested(below, field, field.children, field.optional ? " A map, or null." : "", level);
      if (field.form == Form::kList) nested(below, field, field.prototype[0].children, " A list of maps with these keys.", level);
    }
  }

 private:
  static std::string code(const std::string& text) { return std::string("`").append(text).append("`"); }

  static std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
  }

  void heading(int level, const std::string& title) {
    out_.append("\n").append(static_cast<size_t>(std::min(level, 6)), '#').append(" ").append(title).append("\n");
  }

  void row(const std::string& key, const std::string& type, const std::string& value, const std::string& meaning) {
    out_ += "| " + code(key) + " | " + escaped(type) + " | " + code(escaped(value)) + " | " + escaped(meaning) + " |\n";
  }

  static std::string meaning(const Field& field) {
    if (field.rule.identity && field.form != Form::kFree) return field.sentence;
    return field.sentence + (field.sentence.empty() ? "" : " ") + "(not part of the identity)";
  }

  static std::string type_text(const Field& field) {
    const std::string range = range_text(field.rule);
    return field.type + (range.empty() ? "" : ", ") + range + (field.optional ? ", or null" : "");
  }

  void table(const std::vector<Field>& list) {
    const auto has_row = [](const Field& field) { return field.form == Form::kLeaf || field.form == Form::kFree || field.form == Form::kVariant; };
    if (std::none_of(list.begin(), list.end(), has_row)) return;
    out_ += "\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n";
    for (const Field& field : list) {
      if (field.form == Form::kLeaf) row(field.name, type_text(field), field.value, meaning(field));
      if (field.form == Form::kFree) row(field.name, "anything", "null", meaning(field));
      if (field.form != Form::kVariant) continue;
      std::string names;
      for (const Field& alternative : field.children) names += (names.empty() ? "" : ", ") + alternative.name;
      row("kind", names, field.kind, "which of the tables below gives the other keys");
    }
  }

  void kinds(const std::string& path, const Field& variant, int level) {
    for (const Field& alternative : variant.children) {
      heading(level, (path.empty() ? "" : code(path) + ", ") + "kind " + code(alternative.name));
      if (alternative.children.empty()) out_ += "\nNo further keys.\n";
      section(path, alternative.children, level + 1);
    }
  }

  void nested(const std::string& path, const Field& field, const std::vector<Field>& keys, const std::string& note, int level) {
    heading(level, code(path));
    const std::string text = meaning(field);
    if (!text.empty()) out_.append("\n").append(escaped(text)).append(".").append(note).append("\n");
    section(path, keys, level + 1);
  }

  std::string out_;
};

template <class Number>
std::string number_text(Number value) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

}  // namespace

std::string scalar_text(bool value) { return value ? "true" : "false"; }
std::string scalar_text(int64_t value) { return number_text(value); }
std::string scalar_text(uint64_t value) { return number_text(value); }
std::string scalar_text(const IntegerOrAuto& value) { return value.automatic ? "auto" : number_text(value.value); }
std::string scalar_text(double value) { return number_text(value); }
std::string scalar_text(const std::string& value) {
  if (is_plain(value)) return value;
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    else
      out += c;
  }
  return out + "\"";
}

std::string range_text(const FieldRule& rule) {
  const bool low = rule.low != -std::numeric_limits<double>::infinity(), high = rule.high != std::numeric_limits<double>::infinity();
  if (low && high) return (rule.low_open ? "in (" : "in [") + scalar_text(rule.low) + ", " + scalar_text(rule.high) + (rule.high_open ? ")" : "]");
  if (low) return (rule.low_open ? "greater than " : "at least ") + scalar_text(rule.low);
  if (high) return (rule.high_open ? "less than " : "at most ") + scalar_text(rule.high);
  return "";
}

std::string dump_fields(const Field& root, const ConfigNode* origins) {
  YamlWriter writer(origins != nullptr);
  writer.fields(root.children, 0, origins);
  std::string text = writer.take();
  return text.empty() ? "{}\n" : text;
}

std::string document_fields(const Field& root) {
  MarkdownWriter writer;
  writer.section("", root.children, 2);
  return writer.take();
}

}  // namespace liere
