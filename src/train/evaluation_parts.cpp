#include "train/evaluation_parts.h"

#include <cstring>
#include <type_traits>

#include "core/check.h"

namespace liere {
namespace {

template <class T> void put(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T> void put(std::string& out, const std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  put(out, static_cast<int64_t>(values.size()));
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  bool more() const { return at_ < bytes_.size(); }
  template <class T> void take(T& value) { copy(&value, sizeof value); }
  template <class T> void take(std::vector<T>& values) {
    int64_t size = 0;
    take(size);
    values.resize(static_cast<size_t>(size));
    copy(values.data(), values.size() * sizeof(T));
  }

 private:
  void copy(void* to, size_t size) {
    if (size > bytes_.size() - at_) throw Error(ExitCode::kFailure, "a part of an evaluation from another rank is too short: this is a defect, please report it.");
    if (size > 0) std::memcpy(to, bytes_.data() + at_, size);
    at_ += size;
  }
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

std::string encode(const std::vector<EvaluationPart>& parts) {
  std::string out;
  for (const auto& part : parts) {
    put(out, part.batch);
    put(out, part.views);
    put(out, part.samples);
    put(out, part.rows);
    put(out, part.sample_rows);
    put(out, part.scores.classes);
    put(out, part.scores.samples);
    put(out, part.scores.probability);
    put(out, part.scores.targets);
  }
  return out;
}

void decode(const std::string& bytes, std::vector<EvaluationPart>& parts) {
  for (Reader reader(bytes); reader.more();) {
    auto& part = parts.emplace_back();
    reader.take(part.batch);
    reader.take(part.views);
    reader.take(part.samples);
    reader.take(part.rows);
    reader.take(part.sample_rows);
    reader.take(part.scores.classes);
    reader.take(part.scores.samples);
    reader.take(part.scores.probability);
    reader.take(part.scores.targets);
  }
}

}  // namespace liere
