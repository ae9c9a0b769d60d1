// Archives made at test time through libarchive.
#pragma once

#ifdef LIERE_ARCHIVE
#include <archive.h>
#include <archive_entry.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace liere::test {

struct ArchiveMember {
  std::string path, content;
  std::string link = "";  // not empty: a symbolic link to it
  bool folder = false;
};

/// `form`: "zip", "tar", "tar.gz" or "7z".
inline void make_archive(const std::string& path, const std::string& form, const std::vector<ArchiveMember>& members) {
  archive* writer = archive_write_new();
  if (form == "zip")
    archive_write_set_format_zip(writer);
  else if (form == "7z")
    archive_write_set_format_7zip(writer);
  else
    archive_write_set_format_pax_restricted(writer);
  if (form == "tar.gz") archive_write_add_filter_gzip(writer);
  if (archive_write_open_filename(writer, path.c_str()) != ARCHIVE_OK) throw std::runtime_error("an archive for a test could not be made");
  for (const auto& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 1000000000, 0);
    archive_entry_set_filetype(entry, member.folder ? AE_IFDIR : member.link.empty() ? AE_IFREG : AE_IFLNK);
    if (!member.link.empty()) archive_entry_set_symlink(entry, member.link.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (archive_write_header(writer, entry) != ARCHIVE_OK) throw std::runtime_error("an archive for a test could not be made");
    archive_write_data(writer, member.content.data(), member.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
}

}  // namespace liere::test
#endif
