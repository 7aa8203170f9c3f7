#pragma once

#include <cstddef>
#include <cstdint>

namespace tpe {

/** Bytes of a TPM header: tag, size, command or response code (TPM 2.0 Part 1, 18.2). */
constexpr size_t kHeaderSize = 10;

/** Reads a big-endian number of up to four bytes. */
uint32_t readBigEndian(const uint8_t* bytes, size_t count);

/**
 * True for the answer of a TPM 1.2, which knows no other tag. A TPM 2.0 uses it for commands with an unknown tag only,
 * and we send none (TPM 2.0 Part 2, 6.9).
 */
bool isFromTpm12(const uint8_t* response, size_t size);

/**
 * What is wrong with the structure of a response, nullptr when nothing is. tpm2-tss reads parameters without looking
 * where the response ends and ignores what follows them, so a short response would be filled up with what the buffer
 * held before.
 */
const char* whatIsMalformed(uint32_t commandCode, const uint8_t* response, size_t size);

}  // namespace tpe
