//! What is written comes back: exactly where the format loses nothing, nearly where it does.

use super::*;
use crate::error::Kind;

#[test]
fn lossless_formats_return_every_bit_of_every_layout_and_depth() {
    for (layout, depth) in LAYOUTS.into_iter().flat_map(|l| DEPTHS.map(|d| (l, d))) {
        for size in [Size::new(1, 1), Size::new(37, 23), Size::new(700, 130)] {
            let picture = Picture::noise(size, layout, depth);
            for png_level in [0, 1, 6] {
                let options = EncodeOptions { png_level, ..EncodeOptions::default() };
                let back = decode(&picture.encode(Format::Png, &options));
                assert_eq!((back.info.layout, back.info.depth), (layout, depth));
                assert!(back.info.streams);
                assert_eq!(back.quantised(), picture.quantised(), "PNG {layout:?} {depth:?} {size} {png_level}");
            }
            for tiff_compression in [TiffCompression::None, TiffCompression::Lzw, TiffCompression::Deflate] {
                let options = EncodeOptions { tiff_compression, ..EncodeOptions::default() };
                let back = decode(&picture.encode(Format::Tiff, &options));
                assert_eq!((back.info.layout, back.info.depth), (layout, depth));
                assert_eq!(
                    back.quantised(),
                    picture.quantised(),
                    "TIFF {layout:?} {depth:?} {size} {tiff_compression:?}"
                );
            }
        }
    }
}

#[test]
fn lossless_webp_returns_every_bit_even_under_full_transparency() {
    let options = EncodeOptions { webp_lossless: true, ..EncodeOptions::default() };
    for layout in [Layout::Rgb, Layout::Rgba] {
        let mut picture = Picture::noise(Size::new(61, 33), layout, Depth::Eight);
        picture.samples[..400].iter_mut().skip(3).step_by(4).for_each(|a| *a = 0.0);
        let back = decode(&picture.encode(Format::WebP, &options));
        assert_eq!(back.info.layout, layout);
        assert_eq!(back.quantised(), picture.quantised(), "{layout:?}");
    }
}

#[test]
fn lossy_formats_come_back_nearly() {
    let size = Size::new(67, 45);
    for layout in [Layout::Grey, Layout::Rgb] {
        let picture = Picture::smooth(size, layout, Depth::Eight);
        let back = decode(&picture.encode(Format::Jpeg, &EncodeOptions::default()));
        assert!(largest_difference(&picture, &back) < 6.0, "JPEG {layout:?} {}", largest_difference(&picture, &back));
    }
    for layout in [Layout::Rgb, Layout::Rgba] {
        let picture = Picture::smooth(size, layout, Depth::Eight);
        let back = decode(&picture.encode(Format::WebP, &EncodeOptions::default()));
        assert!(largest_difference(&picture, &back) < 12.0, "WebP {layout:?} {}", largest_difference(&picture, &back));
    }
}

#[test]
fn quality_and_subsampling_change_the_file() {
    let picture = Picture::noise(Size::new(64, 64), Layout::Rgb, Depth::Eight);
    let jpeg = |jpeg_quality, jpeg_subsampling| {
        let options = EncodeOptions { jpeg_quality, jpeg_subsampling, ..EncodeOptions::default() };
        let bytes = picture.encode(Format::Jpeg, &options);
        decode(&bytes);
        bytes.len()
    };
    assert!(jpeg(95, Subsampling::Full) > jpeg(50, Subsampling::Full));
    assert!(jpeg(90, Subsampling::Full) > jpeg(90, Subsampling::Half));
    assert!(jpeg(90, Subsampling::Half) > jpeg(90, Subsampling::Quarter));
    let webp =
        |webp_quality| picture.encode(Format::WebP, &EncodeOptions { webp_quality, ..EncodeOptions::default() }).len();
    assert!(webp(95) > webp(30));
}

#[test]
fn sixteen_bits_are_rounded_where_only_eight_fit() {
    // 0x80FF / 257 = 128.49: rounds to 128, and so does 0x7F81 / 257 = 127.002… to 127.
    let values = [0, 0x80FF, 0x7F81, 0xFFFF];
    let picture = Picture::new(Size::new(4, 1), Layout::Rgb, Depth::Sixteen, |x, _, _| values[x]);
    let options = EncodeOptions { webp_lossless: true, ..EncodeOptions::default() };
    let back = decode(&picture.encode(Format::WebP, &options));
    assert_eq!(back.info.depth, Depth::Eight);
    let red: Vec<u16> = back.quantised().into_iter().step_by(3).collect();
    assert_eq!(red, [0, 128, 127, 255]);
}

#[test]
fn grey_in_webp_becomes_rgb_and_alpha_in_jpeg_is_laid_on_white() {
    let lossless = EncodeOptions { webp_lossless: true, ..EncodeOptions::default() };
    let grey = Picture::noise(Size::new(9, 7), Layout::GreyAlpha, Depth::Eight);
    let back = decode(&grey.encode(Format::WebP, &lossless));
    assert_eq!(back.info.layout, Layout::Rgba);
    for (ours, theirs) in grey.quantised().chunks_exact(2).zip(back.quantised().chunks_exact(4)) {
        assert_eq!([ours[0], ours[0], ours[0], ours[1]], theirs);
    }
    // Black at a quarter of full opacity on white: 255 · (1 - 64/255) = 191.
    for (layout, flat) in [(Layout::Rgba, Layout::Rgb), (Layout::GreyAlpha, Layout::Grey)] {
        let veil =
            Picture::new(
                Size::new(16, 16),
                layout,
                Depth::Eight,
                |_, _, c| {
                    if c + 1 == layout.channels() { 64 } else { 0 }
                },
            );
        let back = decode(&veil.encode(Format::Jpeg, &EncodeOptions::default()));
        assert_eq!(back.info.layout, flat);
        assert!(back.quantised().iter().all(|&v| v.abs_diff(191) <= 1), "{:?}", back.quantised());
    }
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::noise(Size::new(50, 40), Layout::Rgb, Depth::Eight);
    for extension in ["png", "jpg", "webp", "tif", "PNG", "JPEG", "tiff"] {
        let path = folder.path().join("a").with_extension(extension);
        let mut dropped = create(&path, &picture.info, &EncodeOptions::default()).unwrap();
        dropped.write_row(&picture.samples[..150]).unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{extension} dropped");
        let mut short = create(&path, &picture.info, &EncodeOptions::default()).unwrap();
        short.write_row(&picture.samples[..150]).unwrap();
        assert!(short.finish().is_err(), "{extension}: a finish with rows to come");
        let mut sink = create(&path, &picture.info, &EncodeOptions::default()).unwrap();
        for row in picture.samples.chunks_exact(150) {
            sink.write_row(row).unwrap();
        }
        assert!(!path.exists());
        sink.finish().unwrap();
        let back = open(&path, &Limits::default()).unwrap();
        assert_eq!((back.info().size, back.info().layout), (picture.info.size, Layout::Rgb), "{extension}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::remove_file(&path).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_output() {
    let picture = Picture::noise(Size::new(300, 200), Layout::Rgb, Depth::Eight);
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff] {
        let options = EncodeOptions { format: Some(format), ..EncodeOptions::default() };
        let mut sink = create(Path::new("/dev/full"), &picture.info, &options).unwrap();
        let written = picture.samples.chunks_exact(900).try_for_each(|row| sink.write_row(row));
        let error = written.and_then(|()| sink.finish()).expect_err("no room");
        assert_eq!(error.kind(), Kind::Io, "{format:?}: {error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}

#[test]
fn outputs_that_cannot_be_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, size: Size, options: &EncodeOptions| {
        let picture = PictureInfo { size, ..Picture::noise(Size::new(1, 1), Layout::Rgb, Depth::Eight).info };
        create(&folder.path().join(name), &picture, options).err().unwrap().kind()
    };
    let small = Size::new(4, 4);
    let options = EncodeOptions::default();
    assert_eq!(refused("a.xyz", small, &options), Kind::Usage);
    assert_eq!(refused("a.gif", small, &options), Kind::Usage);
    assert_eq!(refused("a.jpg", Size::new(65_536, 1), &options), Kind::Limit);
    assert_eq!(refused("a.webp", Size::new(1, 16_384), &options), Kind::Limit);
    assert_eq!(refused("a.png", Size::new(0, 1), &options), Kind::Limit);
    assert_eq!(refused("a.jpg", small, &EncodeOptions { jpeg_quality: 0, ..options.clone() }), Kind::Usage);
    assert_eq!(refused("a.jpg", small, &EncodeOptions { png_level: 10, ..options.clone() }), Kind::Usage);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let asked = EncodeOptions { format: Some(Format::Tiff), ..options };
    assert!(
        create(
            &folder.path().join("a.xyz"),
            &PictureInfo { size: small, ..Picture::noise(small, Layout::Rgb, Depth::Eight).info },
            &asked
        )
        .is_ok()
    );
}

#[test]
fn the_content_decides_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really-a-jpeg.png");
    let picture = Picture::smooth(Size::new(20, 10), Layout::Rgb, Depth::Eight);
    std::fs::write(&path, picture.encode(Format::Jpeg, &EncodeOptions::default())).unwrap();
    let source = open(&path, &Limits::default()).unwrap();
    assert!(!source.info().streams);
    assert_eq!(source.held_bytes(), 600);
    assert_eq!(decoded_bytes(&path, &Limits::default()).unwrap(), 600);
}
