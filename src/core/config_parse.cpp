// YAML text into ConfigNodes: yaml-cpp tokenises, everything it would resolve or silently accept is refused here.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "core/check.h"
#include "core/config.h"

namespace liere {
namespace {

constexpr size_t kMaxDepth = 32;
// Keys are searched one by one: the bound keeps a hostile file quick.
constexpr size_t kMaxValues = 5000;

[[noreturn]] void fail(const Origin& origin, const std::string& message) { throw ConfigError(origin.text() + ": " + message); }

/// Builds the tree from yaml-cpp's events. `text` must be what the parser reads: marks are offsets into it.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  ConfigNode take_root() { return std::move(root_); }
  Origin origin(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }

  /// Errors at the end of the text have no mark: they concern the collection that is still open.
  Origin error_origin(const YAML::Mark& mark) const {
    if (mark.line > 0 || mark.column > 0) return origin(mark);
    return stack_.empty() ? Origin{source_, 1, 1} : stack_.back().node.origin;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) fail(origin(mark), "a second document or stray text begins here; a configuration is one document. Remove what follows.");
  }
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse_anchor(mark); }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    ConfigNode node = start(mark, "?", anchor, ConfigNode::Type::kNull);
    node.scalar = null_text(mark);
    add(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    const char first = static_cast<size_t>(mark.pos) < text_.size() ? text_[static_cast<size_t>(mark.pos)] : ' ';
    // yaml-cpp gives quoted and block scalars the tag "!", the same as one written so.
    const bool quoted = tag == "!" && first != '!';
    ConfigNode node = start(mark, quoted ? "?" : tag, anchor, ConfigNode::Type::kScalar);
    if (value.find('\0') != std::string::npos) fail(node.origin, "the text holds a NUL character. Remove the escape \\0.");
    node.scalar = value;
    node.quoted = quoted;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(start(mark, tag, anchor, ConfigNode::Type::kSequence));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(start(mark, tag, anchor, ConfigNode::Type::kMap));
  }
  void OnMapEnd() override { close(); }

 private:
  /// A collection that is being filled, and the key its next value belongs to.
  struct Open {
    ConfigNode node;
    bool has_key = false;
    std::string key;
    Origin key_origin;
  };

  [[noreturn]] void refuse_anchor(const YAML::Mark& mark) const {
    fail(origin(mark), "anchors (&name) and aliases (*name) are not allowed. Write the value out, or inherit it with base:.");
  }

  ConfigNode start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, ConfigNode::Type type) {
    if (anchor != 0) refuse_anchor(mark);
    if (tag != "?" && !tag.empty()) fail(origin(mark), "tags (here '" + tag + "') are not allowed. Write the plain value.");
    if (++values_ > kMaxValues) fail(origin(mark), "more than " + std::to_string(kMaxValues) + " values; this is not a configuration.");
    ConfigNode node;
    node.type = type;
    node.origin = origin(mark);
    return node;
  }

  /// "null" or "~" as written; empty where nothing is written (the mark is then that of the next token).
  std::string null_text(const YAML::Mark& mark) const {
    const std::string_view rest = text_.substr(std::min(text_.size(), static_cast<size_t>(mark.pos)));
    for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
      if (!rest.starts_with(word)) continue;
      const size_t end = word.size();
      if (end < rest.size() && std::string_view(" \r\n,]}").find(rest[end]) == std::string_view::npos) continue;
      const size_t next = rest.find_first_not_of(' ', end);
      if (next == std::string_view::npos || rest[next] != ':') return std::string(word);
    }
    return "";
  }

  void open(ConfigNode node) {
    if (stack_.size() >= kMaxDepth) fail(node.origin, "nested more than " + std::to_string(kMaxDepth) + " levels deep.");
    if (!stack_.empty() && stack_.back().node.type == ConfigNode::Type::kMap && !stack_.back().has_key)
      fail(node.origin, "a key must be a single word, not a list or map. A closing bracket may be missing.");
    stack_.push_back({std::move(node)});
  }

  void close() {
    ConfigNode node = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(node));
  }

  void add(ConfigNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.type == ConfigNode::Type::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      node.key_origin = parent.key_origin;
      parent.node.entries.emplace_back(std::move(parent.key), std::move(node));
      parent.has_key = false;
    } else {
      add_key(parent, node);
    }
  }

  void add_key(Open& parent, const ConfigNode& key) {
    if (key.type != ConfigNode::Type::kScalar || key.scalar.empty())
      fail(key.origin, "a key is missing or null. Give every value a name, 'key: value'.");
    if (const ConfigNode* first = parent.node.find(key.scalar))
      fail(key.origin, "duplicate key '" + key.scalar + "', first given at line " + std::to_string(first->key_origin.line) + ". Keep one of them.");
    parent.key = key.scalar;
    parent.key_origin = key.origin;
    parent.has_key = true;
  }

  std::string_view text_;
  const std::string& source_;
  std::vector<Open> stack_;
  ConfigNode root_;
  int documents_ = 0;
  size_t values_ = 0;
};

/// Length of the UTF-8 sequence at `text[at]`; 0 where it is invalid (overlong, surrogate, beyond U+10FFFF, cut off).
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) { return byte(i) >= low && byte(i) <= high; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) return continues(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && continues(2) ? 3 : 0;
  if (lead >= 0xF0 && lead <= 0xF4)
    return continues(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

}  // namespace

std::string Origin::text() const {
  if (line == 0 || source.starts_with("command line")) return source;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  for (const auto& [name, node] : entries)
    if (name == key) return &node;
  return nullptr;
}

void check_config_text(std::string_view text, const std::string& source) {
  Origin at{source, 1, 1};
  bool indentation = true;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t length = utf8_length(text, i);
    if (c == '\0') fail(at, "a NUL byte: this is not a text file. Save the configuration as UTF-8.");
    if (length == 0) fail(at, "invalid UTF-8. Save the configuration as UTF-8.");
    if (c == '\t' && indentation) fail(at, "a tab in the indentation. Indent with spaces.");
    if (c == '\r' && text.substr(i, 2) != "\r\n")
      fail(at, "a carriage return without line feed. Save the file with Unix (LF) or Windows (CRLF) line ends.");
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7F) fail(at, "a control character. Remove it.");
    if (c == '%' && at.column == 1) fail(at, "directives (%...) are not allowed. Remove the line.");
    if (c == '\n') {
      at = {source, at.line + 1, 1};
      indentation = true;
    } else {
      if (c != ' ') indentation = false;
      at.column += static_cast<int>(length);
    }
    i += length;
  }
}

ConfigNode parse_yaml(std::string_view text, const std::string& source) {
  if (text.size() > kMaxConfigBytes) throw ConfigError(source + ": larger than 1 MiB; this is not a configuration.");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  check_config_text(text, source);
  std::istringstream stream{std::string(text)};
  TreeBuilder builder(text, source);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    fail(builder.error_origin(error.mark), "not valid YAML: " + error.msg + ".");
  }
  return builder.take_root();
}

ConfigNode parse_config(std::string_view text, const std::string& source) {
  ConfigNode root = parse_yaml(text, source);
  if (root.type == ConfigNode::Type::kNull) {
    root.type = ConfigNode::Type::kMap;
    root.scalar.clear();
    root.origin = {source, 1, 1};
  }
  if (root.type != ConfigNode::Type::kMap)
    fail(root.origin,
         "expected 'key: value' lines at the top, found a " + std::string(root.type == ConfigNode::Type::kSequence ? "list" : "single value") + ".");
  return root;
}

}  // namespace liere
