/* token.h: how a token becomes the id of a proposal; qr_token_id() is its public form. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include "base/types.h"
#include "quorate/types.h"

/* SipHash-2-4 of 128 bits; the first eight bytes of its output are `low`, as of the key. */
struct proposal_id token_hash(struct proposal_id key, const void *token, size_t size_bytes);

#endif
