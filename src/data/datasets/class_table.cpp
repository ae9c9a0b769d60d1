#include "data/datasets/class_table.h"

#include <zlib.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "core/check.h"
#include "data/datasets/picture_list.h"

namespace liere {
namespace {

constexpr size_t kHeaderBytes = 128, kMaxInflated = size_t(64) << 20;
constexpr uint32_t kMatrix = 14, kCompressed = 15;
constexpr uint32_t kStructure = 2, kCharacters = 4;

struct Element {
  uint32_t type = 0;
  std::string_view data;
};

/// Elements one after the other: a tag of type and size, the data, zeros up to the next multiple of eight.
class Elements {
 public:
  Elements(std::string_view bytes, const std::string& path) : rest_(bytes), path_(path) {}

  std::optional<Element> next() {
    if (rest_.empty()) return std::nullopt;
    if (rest_.size() < 8) damaged();
    const uint32_t first = word(0);
    Element element;
    size_t begin = 8, size = word(4);
    if (first >> 16 != 0) begin = 4, size = first >> 16;  // small: up to four bytes inside the tag
    element.type = first & 0xffff;
    if ((begin == 4 && size > 4) || size > rest_.size() - begin) damaged();
    element.data = rest_.substr(begin, size);
    const size_t taken = begin == 4 ? 8 : element.type == kCompressed ? begin + size : begin + (size + 7) / 8 * 8;
    rest_.remove_prefix(std::min(taken, rest_.size()));
    return element;
  }
  Element expect() {
    if (auto element = next()) return *element;
    damaged();
  }
  [[noreturn]] void damaged() const {
    throw DataError(path_ + " is damaged or no MATLAB 5 file with the classes of ILSVRC 2012; unpack ILSVRC2012_devkit_t12.tar.gz again.");
  }

 private:
  uint32_t word(size_t at) const {
    uint32_t value = 0;
    std::memcpy(&value, rest_.data() + at, 4);
    return value;
  }
  std::string_view rest_;
  const std::string& path_;
};

std::string inflate_all(std::string_view packed, const Elements& where) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) where.damaged();
  std::string out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK && out.size() < kMaxInflated) {
    const size_t filled = out.size();
    out.resize(filled + (size_t(1) << 18));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = uInt(1) << 18;
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (stream.avail_in == 0 && status == Z_OK && stream.avail_out > 0) break;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) where.damaged();
  return out;
}

/// Numbers are stored in the smallest type that holds them.
std::vector<double> numbers(const Element& element, const Elements& where) {
  static constexpr size_t kSizes[] = {0, 1, 1, 2, 2, 4, 4, 4, 0, 8};
  const size_t size = element.type < std::size(kSizes) ? kSizes[element.type] : 0;
  if (size == 0 || element.data.size() % size != 0) where.damaged();
  std::vector<double> values;
  const auto read = [&]<class T>(T value, size_t at) {
    std::memcpy(&value, element.data.data() + at, sizeof value);
    values.push_back(static_cast<double>(value));
  };
  for (size_t at = 0; at < element.data.size(); at += size) switch (element.type) {
      case 1: read(int8_t(), at); break;
      case 2: read(uint8_t(), at); break;
      case 3: read(int16_t(), at); break;
      case 4: read(uint16_t(), at); break;
      case 5: read(int32_t(), at); break;
      case 6: read(uint32_t(), at); break;
      case 7: read(float(), at); break;
      default: read(double(), at);
    }
  return values;
}

struct Matrix {
  uint32_t kind = 0;
  std::string name;
  Elements content;  // behind the name
};

Matrix open_matrix(std::string_view data, const std::string& path) {
  Elements elements(data, path);
  const Element flags = elements.expect();
  if (flags.data.size() < 4) elements.damaged();
  const uint32_t kind = static_cast<unsigned char>(flags.data[0]);
  elements.expect();  // dimensions
  const Element name = elements.expect();
  return {kind, std::string(name.data), elements};
}

std::string text_of(Matrix matrix) {
  if (matrix.kind != kCharacters) matrix.content.damaged();
  Element element = matrix.content.expect();
  if (element.type == 16) element.type = 2;  // UTF-8
  if (element.type == 17) element.type = 4;  // UTF-16
  std::string text;
  for (const double c : numbers(element, matrix.content)) text += static_cast<char>(c > 32 && c < 127 ? static_cast<int>(c) : '?');
  return text;
}

std::optional<double> number_of(Matrix matrix) {
  const auto element = matrix.content.next();
  if (!element) return std::nullopt;
  const auto values = numbers(*element, matrix.content);
  return values.size() == 1 && std::isfinite(values[0]) ? std::optional(values[0]) : std::nullopt;
}

/// The IDs must be 1..n, each once, and the names usable as folders.
std::vector<std::string> in_order(const std::map<int64_t, std::string>& table, const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [id, name] : table) {
    if (id != static_cast<int64_t>(names.size()) + 1)
      throw DataError(path + ": expected classes with the IDs 1, 2, ..., found " + std::to_string(id) + " in place " + std::to_string(names.size() + 1) + "; fetch the devkit again.");
    if (!stays_below(name) || name.find('/') != std::string::npos) throw DataError(path + ": expected the name of a class folder for ID " + std::to_string(id) + ", found \"" + name + "\".");
    names.push_back(name);
  }
  if (names.empty()) throw DataError(path + " names no classes; fetch the devkit again.");
  return names;
}

void add_class(std::map<int64_t, std::string>& table, int64_t id, const std::string& name, const std::string& path) {
  if (!table.emplace(id, name).second) throw DataError(path + ": expected each ID once, found " + std::to_string(id) + " for " + table.at(id) + " and for " + name + ".");
}

std::map<int64_t, std::string> read_synsets(Matrix synsets, const std::string& path) {
  auto& content = synsets.content;
  const auto width = numbers(content.expect(), content);
  const std::string_view names = content.expect().data;
  if (width.size() != 1 || width[0] < 1 || width[0] > 64 || names.empty() || names.size() % static_cast<size_t>(width[0]) != 0) content.damaged();
  std::vector<std::string> fields;
  for (size_t at = 0; at < names.size(); at += static_cast<size_t>(width[0])) fields.emplace_back(std::string(names.substr(at, static_cast<size_t>(width[0]))).c_str());
  std::map<int64_t, std::string> table;
  for (auto first = content.next(); first;) {
    std::optional<double> id, children;
    std::string wnid;
    for (const auto& field : fields) {
      if (!first || first->type != kMatrix) content.damaged();
      if (field == "ILSVRC2012_ID") id = number_of(open_matrix(first->data, path));
      if (field == "num_children") children = number_of(open_matrix(first->data, path));
      if (field == "WNID") wnid = text_of(open_matrix(first->data, path));
      first = content.next();
    }
    if (!id || !children || wnid.empty() || std::abs(*id) > 1e6) content.damaged();
    if (*children == 0) add_class(table, static_cast<int64_t>(*id), wnid, path);
  }
  return table;
}

}  // namespace

std::vector<std::string> parse_meta_mat(std::string_view bytes, const std::string& path) {
  Elements nothing({}, path);
  if (bytes.size() < kHeaderBytes || bytes.substr(126, 2) != "IM") nothing.damaged();
  Elements variables(bytes.substr(kHeaderBytes), path);
  while (const auto element = variables.next()) {
    std::string inflated;
    Element variable = *element;
    if (variable.type == kCompressed) {
      inflated = inflate_all(variable.data, variables);
      variable = Elements(inflated, path).expect();
    }
    if (variable.type != kMatrix) continue;
    Matrix matrix = open_matrix(variable.data, path);
    if (matrix.name == "synsets" && matrix.kind == kStructure) return in_order(read_synsets(std::move(matrix), path), path);
  }
  nothing.damaged();
}

std::vector<std::string> parse_class_table(std::string_view text, const std::string& path) {
  std::map<int64_t, std::string> table;
  int64_t line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    int64_t id = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    const size_t name_at = line.find_first_not_of(" \t", static_cast<size_t>(rest - line.data()));
    if (error != std::errc() || name_at == std::string::npos || rest == line.data() + name_at)
      throw DataError(path + ", line " + std::to_string(line_number) + ": expected \"ILSVRC2012_ID WNID\", such as \"1 n02119789\".");
    add_class(table, id, line.substr(name_at, line.find_first_of(" \t", name_at) - name_at), path);
  }
  return in_order(table, path);
}

}  // namespace liere
