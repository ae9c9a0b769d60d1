// The C library's allocator, set for a program that allocates the same large blocks over and over.
#pragma once

namespace liere {

/// glibc returns large freed blocks to the system at once and asks for them again at the next step: each page of every activation is then faulted in
/// and cleared once per step. After this call freed memory stays with the process. Called first thing in main(); does nothing without glibc.
/// MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ in the environment take precedence.
void keep_freed_memory();

}  // namespace liere
