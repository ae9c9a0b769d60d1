#include "data/dicom/layout.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "data/dicom/rejection.h"

namespace liere {
namespace {

constexpr uint32_t kUndefined = 0xffffffff, kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd, kPixelData = 0x7fe00010,
                   kTransferSyntax = 0x00020010;
constexpr size_t kMaxDepth = 32, kMaxValue = 4096;

struct Wanted {
  uint32_t tag;
  char vr[3];
};
// In ascending order. The VR is the dictionary's; PixelPaddingValue (0028,0120) is US or SS, of which the 16 bits are taken.
constexpr Wanted kWanted[] = {{0x00080008, "CS"}, {0x00080016, "UI"}, {0x00080018, "UI"}, {0x00080060, "CS"}, {0x00100020, "LO"},
                              {0x00180050, "DS"}, {0x0020000d, "UI"}, {0x0020000e, "UI"}, {0x00200013, "IS"}, {0x00200032, "DS"},
                              {0x00200037, "DS"}, {0x00280002, "US"}, {0x00280004, "CS"}, {0x00280008, "IS"}, {0x00280010, "US"},
                              {0x00280011, "US"}, {0x00280030, "DS"}, {0x00280100, "US"}, {0x00280101, "US"}, {0x00280102, "US"},
                              {0x00280103, "US"}, {0x00280120, "US"}, {0x00281052, "DS"}, {0x00281053, "DS"}, {0x00282110, "CS"}};

const Wanted* find_wanted(uint32_t tag) {
  const auto* found =
      std::lower_bound(std::begin(kWanted), std::end(kWanted), tag, [](const Wanted& wanted, uint32_t value) { return wanted.tag < value; });
  return found != std::end(kWanted) && found->tag == tag ? found : nullptr;
}

std::string tag_text(uint32_t tag) {
  char text[16];
  std::snprintf(text, sizeof text, "(%04X,%04X)", tag >> 16, tag & 0xffff);
  return text;
}

struct ElementHead {
  uint32_t tag = 0, length = 0;
  char vr[3] = "";  // empty where implicit
};

/// The bytes at hand end before the pixels, the file does not.
struct HeadTooShort {};

class Walker {
 public:
  /// `bytes` are the first of a file of `file_bytes`. Where they are not all, the walk ends where the pixels begin, or throws HeadTooShort.
  Walker(std::string_view bytes, uint64_t file_bytes) : bytes_(bytes), file_bytes_(file_bytes) {}

  DicomLayout walk() {
    read_meta();
    while (position_ < file_bytes_ && !(is_head() && layout_.pixel_offset)) read_element();
    if (layout_.pixel_offset == 0) throw DicomRejection("pixel_data_absent", "A CT slice needs PixelData (7FE0,0010); the file has none.");
    return std::move(layout_);
  }

 private:
  bool is_head() const { return bytes_.size() < file_bytes_; }

  template <typename T>
  T take() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof value);  // little endian, as the machines that this runs on
    position_ += sizeof value;
    return value;
  }

  void need(size_t count) const {
    hold_against_file(count);
    if (count > bytes_.size() - position_) throw HeadTooShort();
  }

  void hold_against_file(size_t count) const {
    if (count > file_bytes_ - position_)
      throw DicomRejection("truncated", "The file ends after " + std::to_string(file_bytes_) + " bytes where " + std::to_string(count) +
                                            " more were declared at byte " + std::to_string(position_) + ": copy it again.");
  }

  void skip(size_t count) {
    need(count);
    position_ += count;
  }

  [[noreturn]] void malformed(const std::string& what) const {
    throw DicomRejection("malformed", what + " at byte " + std::to_string(position_) + ", where an element of the data set was expected.");
  }

  uint32_t take_tag() {
    const uint32_t group = take<uint16_t>();
    return group << 16 | take<uint16_t>();
  }

  ElementHead take_head(bool implicit) {
    ElementHead head;
    head.tag = take_tag();
    if (implicit || head.tag >> 16 == 0xfffe) {
      head.length = take<uint32_t>();
      return head;
    }
    need(2);
    std::memcpy(head.vr, bytes_.data() + position_, 2);
    for (int i = 0; i < 2; ++i)
      if (head.vr[i] < 'A' || head.vr[i] > 'Z') malformed(tag_text(head.tag) + " has no value representation");
    position_ += 2;
    static constexpr std::array<std::string_view, 13> kLong = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"};
    if (std::find(kLong.begin(), kLong.end(), head.vr) == kLong.end()) {
      head.length = take<uint16_t>();
    } else {
      skip(2);
      head.length = take<uint32_t>();
      if (head.length == kUndefined && head.tag != kPixelData && std::strcmp(head.vr, "SQ") != 0 && std::strcmp(head.vr, "UN") != 0)
        malformed(tag_text(head.tag) + " has undefined length without being a sequence");
    }
    return head;
  }

  void read_meta() {
    if (is_head()) need(132);
    if (bytes_.size() < 132 || bytes_.substr(128, 4) != "DICM") {
      const bool bare =
          bytes_.size() >= 8 && (bytes_.substr(0, 2) == std::string_view("\x08\0", 2) || bytes_.substr(0, 2) == std::string_view("\x02\0", 2));
      throw bare
          ? DicomRejection(
                "no_preamble",
                "A DICOM file begins with 128 bytes and DICM; this one begins with its elements: write it again with the preamble (dcmconv does).")
          : DicomRejection("not_dicom",
                           "A DICOM file begins with 128 bytes and DICM; this one does not (" + std::to_string(bytes_.size()) + " bytes).");
    }
    position_ = 132;
    while (file_bytes_ - position_ >= 2) {
      need(2);
      if (bytes_.substr(position_, 2) != std::string_view("\x02\0", 2)) break;
      const auto head = take_head(false);
      if (head.length == kUndefined) malformed(tag_text(head.tag) + " of the file meta information has undefined length");
      need(head.length);
      if (head.tag == kTransferSyntax) {
        layout_.transfer_syntax = bytes_.substr(position_, std::min<size_t>(head.length, 64));
        while (!layout_.transfer_syntax.empty() && (layout_.transfer_syntax.back() == '\0' || layout_.transfer_syntax.back() == ' '))
          layout_.transfer_syntax.pop_back();
      }
      position_ += head.length;
    }
    judge_transfer_syntax();
  }

  void judge_transfer_syntax() {
    const auto& uid = layout_.transfer_syntax;
    static constexpr std::string_view kBase = "1.2.840.10008.1.2";
    const auto is = [&](std::string_view rest) { return uid.size() == kBase.size() + rest.size() && uid.starts_with(kBase) && uid.ends_with(rest); };
    implicit_ = is("");
    if (implicit_ || is(".1")) return;
    if (is(".2")) throw DicomRejection("big_endian", "The file is big endian, a transfer syntax that was retired: convert it (dcmconv +te).");
    if (is(".1.99")) throw DicomRejection("deflated", "The data set is deflated: convert it (dcmconv +te).");
    if (uid.starts_with("1.2.840.10008.1.2.4.9") || uid.starts_with("1.2.840.10008.1.2.4.20"))
      throw DicomRejection("jpeg2000", "The pixels are compressed as JPEG 2000, which DCMTK does not decode: convert the file (gdcmconv --raw).");
    for (const auto* rest : {".5", ".4.50", ".4.51", ".4.53", ".4.55", ".4.57", ".4.70", ".4.80", ".4.81"}) layout_.encapsulated |= is(rest);
    if (!layout_.encapsulated)
      throw DicomRejection(
          "transfer_syntax",
          uid.empty() ? "The file states no transfer syntax (0002,0010)."
                      : "The transfer syntax is none of those read (native little endian, RLE, JPEG, JPEG-LS): convert the file (dcmconv +te).");
  }

  void read_element() {
    const auto head = take_head(implicit_);
    if (head.tag >> 16 == 0xfffe) malformed("A delimiter " + tag_text(head.tag));
    if (head.tag == kPixelData) return read_pixels(head);
    const auto* wanted = find_wanted(head.tag);
    if (head.length == kUndefined) {
      if (wanted) malformed(tag_text(head.tag) + " is a sequence");
      return skip_sequence(implicit_ || std::strcmp(head.vr, "UN") == 0);
    }
    need(head.length);
    if (wanted) {
      const bool padding = head.tag == 0x00280120 && std::strcmp(head.vr, "SS") == 0;
      if (head.vr[0] && std::strcmp(head.vr, wanted->vr) != 0 && !padding)
        malformed(tag_text(head.tag) + " is of kind " + head.vr + " instead of " + wanted->vr);
      if (head.length > kMaxValue) malformed(tag_text(head.tag) + " has " + std::to_string(head.length) + " bytes");
      for (const auto& element : layout_.elements)
        if (element.tag == head.tag) throw DicomRejection("duplicate_element", "The file has " + tag_text(head.tag) + " twice.");
      layout_.elements.push_back({head.tag, position_, head.length});
    }
    position_ += head.length;
  }

  void read_pixels(const ElementHead& head) {
    if (layout_.pixel_offset) throw DicomRejection("pixel_data_twice", "The file has PixelData (7FE0,0010) twice.");
    if (head.vr[0] && std::strcmp(head.vr, "OW") != 0 && std::strcmp(head.vr, "OB") != 0) malformed("PixelData is of kind " + std::string(head.vr));
    layout_.pixel_offset = position_;
    if (layout_.encapsulated) {
      if (head.length != kUndefined)
        throw DicomRejection("pixel_data_defined", "Compressed PixelData is a list of fragments; this has a length instead.");
      if (is_head()) return;
      for (;;) {
        const auto item = take_head(true);
        if (item.tag == kSequenceEnd && item.length == 0) break;
        if (item.tag != kItem || item.length == kUndefined) malformed("PixelData holds something that is no fragment");
        skip(item.length);
      }
    } else {
      if (head.length == kUndefined) throw DicomRejection("pixel_data_undefined", "Native PixelData needs a length; this has none.");
      layout_.pixel_length = head.length;
      hold_against_file(head.length);
      if (is_head()) return;
      skip(head.length);
    }
    layout_.pixel_length = position_ - layout_.pixel_offset;
  }

  /// Behind the head of a sequence of undefined length: to its end.
  void skip_sequence(bool implicit) {
    struct Level {
      bool item, implicit;
    };
    std::vector<Level> levels = {{false, implicit}};
    while (!levels.empty()) {
      if (levels.size() > kMaxDepth)
        throw DicomRejection("nesting", "The file nests sequences more than " + std::to_string(kMaxDepth / 2) + " deep.");
      const Level level = levels.back();
      const auto head = take_head(!level.item || level.implicit);
      if (level.item ? head.tag == kItemEnd : head.tag == kSequenceEnd) {
        if (head.length != 0) malformed("A delimiter with a length");
        levels.pop_back();
      } else if ((head.tag >> 16 == 0xfffe) == level.item || (!level.item && head.tag != kItem)) {
        malformed(tag_text(head.tag) + " in a sequence");
      } else if (head.length != kUndefined) {
        skip(head.length);
      } else {
        levels.push_back({!level.item, level.implicit || std::strcmp(head.vr, "UN") == 0});
      }
    }
  }

  std::string_view bytes_;
  uint64_t file_bytes_;
  size_t position_ = 0;
  bool implicit_ = false;
  DicomLayout layout_;
};

void append_number(std::string& text, uint32_t value, int bytes) { text.append(reinterpret_cast<const char*>(&value), bytes); }

}  // namespace

DicomLayout read_dicom_layout(std::string_view bytes) { return Walker(bytes, bytes.size()).walk(); }

std::optional<DicomLayout> read_dicom_head(std::string_view head, uint64_t file_bytes) {
  try {
    return Walker(head, file_bytes).walk();
  } catch (const HeadTooShort&) {
    return std::nullopt;
  }
}

std::string reduced_data_set(std::string_view bytes, const DicomLayout& layout, bool pixels) {
  auto elements = layout.elements;
  std::sort(elements.begin(), elements.end(), [](const auto& a, const auto& b) { return a.tag < b.tag; });
  std::string reduced;
  reduced.reserve(1024 + (pixels ? layout.pixel_length : 0));
  for (const auto& element : elements) {
    append_number(reduced, element.tag >> 16, 2);
    append_number(reduced, element.tag & 0xffff, 2);
    reduced += find_wanted(element.tag)->vr;
    append_number(reduced, static_cast<uint32_t>(element.length), 2);
    reduced.append(bytes.substr(element.offset, element.length));
  }
  if (pixels) {
    reduced.append("\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", 12);
    reduced.append(bytes.substr(layout.pixel_offset, layout.pixel_length));
  }
  return reduced;
}

}  // namespace liere
