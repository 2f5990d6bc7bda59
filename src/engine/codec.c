/* codec.c: Zstandard for blocks of snapshots, at its fastest level. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <zstd.h>

#include "engine/internal.h"

#define CODEC_ZSTD 1 /* as docs/snapshot-format.md numbers it */
#define LEVEL 1

static size_t compress_block(void *context, const void *data, size_t size_bytes, void *out,
                             size_t out_bytes)
{
    struct engine_codec *self = context;
    if (self->compressor == NULL) {
        self->compressor = ZSTD_createCCtx();
    }
    if (self->compressor == NULL) {
        return 0;
    }
    size_t used = ZSTD_compressCCtx(self->compressor, out, out_bytes, data, size_bytes, LEVEL);
    return ZSTD_isError(used) ? 0 : used;
}

static bool expand_block(void *context, const void *data, size_t size_bytes, void *out,
                         size_t out_bytes)
{
    struct engine_codec *self = context;
    if (self->expander == NULL) {
        self->expander = ZSTD_createDCtx();
    }
    return self->expander != NULL &&
           ZSTD_decompressDCtx(self->expander, out, out_bytes, data, size_bytes) == out_bytes;
}

const struct content_codec *engine_codec_init(struct engine_codec *self)
{
    self->codec = (struct content_codec){
        .context = self,
        .number = CODEC_ZSTD,
        .compress = compress_block,
        .expand = expand_block,
    };
    return &self->codec;
}

void engine_codec_deinit(struct engine_codec *self)
{
    (void)ZSTD_freeCCtx(self->compressor);
    (void)ZSTD_freeDCtx(self->expander);
}
