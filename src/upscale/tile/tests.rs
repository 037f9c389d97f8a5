#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::upscale::testing::card;

/// Cuts as the card asks.
fn cut(card: &Card, picture: Size, options: &TileOptions) -> Result<Grid> {
    Grid::cut(card, Footing::of(card), picture, options)
}

/// Checks everything that holds for every grid.
fn check(grid: Grid, halo: usize, picture: Size) {
    let block = grid.across.block;
    let window = grid.window();
    let mut covered = vec![0_u8; picture.area()];
    assert_eq!(grid.tiles().len(), grid.len());
    for tile in grid.tiles() {
        assert_eq!(tile.window.size, window);
        for (start, end, from, to, length) in [
            (tile.window.x, tile.window.right(), tile.valid.x, tile.valid.right(), picture.width),
            (tile.window.y, tile.window.bottom(), tile.valid.y, tile.valid.bottom(), picture.height),
        ] {
            assert!(from < to && start <= from && to <= end, "{tile:?}");
            assert!(start == 0 || from >= start + halo, "the halo is missing before {tile:?}");
            assert!(end >= length || to + halo <= end, "the halo is missing after {tile:?}");
            assert!(end < length + block || start == 0, "a window reaches past the last block: {tile:?}");
            assert_eq!(start % block, 0, "a window begins inside a block: {tile:?}");
        }
        for y in tile.valid.y..tile.valid.bottom() {
            for x in tile.valid.x..tile.valid.right() {
                covered[y * picture.width + x] += 1;
            }
        }
    }
    assert!(covered.iter().all(|&times| times == 1), "{grid:?} does not partition {picture}");
}

#[test]
fn valid_regions_partition_every_picture_and_keep_their_halo() {
    let lengths = [1, 2, 3, 7, 16, 17, 31, 32, 33, 64, 65, 100, 127, 211];
    for halo in [0, 1, 3, 7, 20] {
        for side in [1, 2, 8, 15, 16, 33, 41, 64, 300].into_iter().filter(|&side| side > 2 * halo) {
            for (i, width) in lengths.into_iter().enumerate() {
                let picture = Size::new(width, lengths[(i * 5 + side) % lengths.len()]);
                let grid = cut(&card(4, halo), picture, &TileOptions { side: Some(side), threads: 1 }).unwrap();
                check(grid, halo, picture);
                assert!(grid.window().width <= side && grid.window().height <= side);
                assert!(!grid.is_padded());
            }
        }
    }
}

#[test]
fn chosen_grids_partition_and_feed_every_thread() {
    for threads in [0, 1, 2, 3, 4, 7, 16, 64] {
        for halo in [0, 1, 6, 34, 200] {
            for picture in [Size::new(1, 1), Size::new(320, 180), Size::new(37, 1000), Size::new(640, 360)] {
                let grid = cut(&card(4, halo), picture, &TileOptions { side: None, threads }).unwrap();
                check(grid, halo, picture);
            }
        }
    }
    let quarter = cut(&card(4, 6), Size::new(320, 180), &TileOptions { side: None, threads: 4 }).unwrap();
    assert_eq!(quarter.len() % 4, 0, "four threads share a camera frame evenly: {quarter:?}");
}

#[test]
fn windows_begin_where_blocks_begin() {
    for (multiple, halo) in [(2, 1), (4, 6), (8, 3)] {
        let mut blocks = card(2, halo);
        (blocks.multiple, blocks.min_side) = (multiple, multiple);
        for picture in [Size::new(100, 33), Size::new(64, 64), Size::new(65, 127), Size::new(3, 1), Size::new(201, 8)] {
            for side in [None, Some(27), Some(40), Some(64)] {
                let grid = cut(&blocks, picture, &TileOptions { side, threads: 3 }).unwrap();
                let window = grid.window();
                assert_eq!((window.width % multiple, window.height % multiple), (0, 0));
                check(grid, halo, picture);
            }
        }
        let error = cut(&blocks, Size::new(100, 100), &TileOptions { side: Some(2 * halo), threads: 1 }).unwrap_err();
        let enough =
            error.to_string().split("at least ").nth(1).and_then(|rest| rest.trim_end_matches(')').parse().ok());
        assert!(cut(&blocks, Size::new(100, 100), &TileOptions { side: enough, threads: 1 }).is_ok(), "{error}");
    }
}

#[test]
fn small_pictures_fill_one_window() {
    let picture = Size::new(30, 20);
    let grid = cut(&card(2, 5), picture, &TileOptions { side: Some(64), threads: 1 }).unwrap();
    assert_eq!((grid.len(), grid.window()), (1, picture));
    let mut least = card(2, 5);
    least.min_side = 24;
    let grid = cut(&least, picture, &TileOptions { side: Some(64), threads: 8 }).unwrap();
    assert_eq!((grid.window(), grid.is_padded()), (Size::new(30, 24), true));
    check(grid, 5, picture);
    let grid = cut(&least, Size::new(300, 20), &TileOptions { side: Some(11), threads: 8 }).unwrap();
    assert_eq!(grid.window(), Size::new(24, 24), "tiles are never below the smallest side");
    check(grid, 5, Size::new(300, 20));
}

#[test]
fn fixed_sizes_are_kept_exactly() {
    let mut fixed = card(4, 6);
    fixed.fixed_size = Some([64, 48]);
    for picture in [Size::new(64, 48), Size::new(10, 10), Size::new(65, 48), Size::new(640, 481), Size::new(20, 200)] {
        let grid = cut(&fixed, picture, &TileOptions::default()).unwrap();
        assert_eq!(grid.window(), Size::new(64, 48));
        assert_eq!(grid.is_padded(), picture.width < 64 || picture.height < 48);
        check(grid, 6, picture);
    }
    assert!(cut(&fixed, Size::new(9, 9), &TileOptions { side: Some(64), threads: 1 }).is_err());
    fixed.tiling = Tiling::Halo(24);
    let error = cut(&fixed, Size::new(640, 480), &TileOptions::default()).unwrap_err();
    assert!(error.to_string().contains("halo of 24"), "{error}");
}

#[test]
fn whole_pictures_are_never_cut_and_say_why() {
    let mut whole = card(4, 0);
    whole.tiling = Tiling::Whole("instance normalisation sees every pixel".into());
    let picture = Size::new(3000, 2000);
    let grid = cut(&whole, picture, &TileOptions { side: None, threads: 8 }).unwrap();
    assert_eq!((grid.len(), grid.window()), (1, picture));
    let error = cut(&whole, picture, &TileOptions { side: Some(128), threads: 1 }).unwrap_err();
    assert!(error.to_string().contains("instance normalisation sees every pixel"), "{error}");
    whole.fixed_size = Some([64, 64]);
    assert!(cut(&whole, Size::new(65, 64), &TileOptions::default()).is_err());
    assert_eq!(cut(&whole, Size::new(60, 64), &TileOptions::default()).unwrap().len(), 1);
}

#[test]
fn too_small_a_tile_is_refused_with_the_least_that_works() {
    let error = cut(&card(4, 6), Size::new(100, 100), &TileOptions { side: Some(12), threads: 1 }).unwrap_err();
    assert!(error.to_string().contains("at least 13"), "{error}");
    assert!(cut(&card(4, 6), Size::new(100, 100), &TileOptions { side: Some(13), threads: 1 }).is_ok());
    assert!(cut(&card(4, 6), Size::new(0, 100), &TileOptions::default()).is_err());
}

#[test]
fn the_middle_of_a_tile_lands_where_it_belongs() {
    let tile = Tile { window: Rect::new(10, 20, Size::new(32, 32)), valid: Rect::new(16, 20, Size::new(20, 26)) };
    assert_eq!(tile.inside(3), Rect::new(18, 0, Size::new(60, 78)));
}

#[test]
fn aligned_windows_partition_keep_their_halo_and_begin_at_multiples() {
    let lengths = [1, 3, 16, 33, 64, 65, 66, 67, 100, 211, 640];
    for (halo, alignment) in [(0, 4), (5, 4), (12, 4), (20, 2), (7, 3)] {
        let footing = Footing { halo, alignment, streams: true };
        for (i, width) in lengths.into_iter().enumerate() {
            let picture = Size::new(width, lengths[(i * 7 + 3) % lengths.len()]);
            let least = smallest_side(&card(4, halo), footing);
            for side in [least, least + 1, least + 2, least + 3, 96, 150] {
                let options = TileOptions { side: Some(side), threads: 2 };
                let grid = Grid::cut(&card(4, halo), footing, picture, &options).unwrap();
                check(grid, halo, picture);
                assert!(grid.tiles().all(|t| t.window.x % alignment == 0 && t.window.y % alignment == 0), "{grid:?}");
                assert!(grid.window().width <= side.max(width) && !grid.is_banded());
            }
        }
    }
}

#[test]
fn bands_partition_the_rows_and_read_their_halo() {
    for threads in [0, 1, 2, 3, 8] {
        for (halo, alignment) in [(0, 1), (6, 1), (20, 4), (300, 4)] {
            for picture in [Size::new(1, 1), Size::new(320, 180), Size::new(37, 1003), Size::new(9000, 4000)] {
                let footing = Footing { halo, alignment, streams: true };
                let options = TileOptions { side: None, threads };
                let grid = Grid::cut(&card(4, halo), footing, picture, &options).unwrap();
                assert!(grid.is_banded() && grid.columns() == 1 && grid.window() == picture);
                let mut next = 0;
                for tile in grid.tiles() {
                    assert_eq!((tile.valid.x, tile.valid.y, tile.valid.size.width), (0, next, picture.width));
                    next = tile.valid.bottom();
                    assert!(tile.window.y == tile.valid.y.saturating_sub(halo) && tile.valid.size.height > 0);
                    assert_eq!(tile.window.bottom(), (next + halo).min(picture.height));
                    assert!(tile.window.size.height <= grid.tallest());
                }
                assert_eq!(next, picture.height);
            }
        }
    }
    let footing = Footing { halo: 6, alignment: 1, streams: true };
    let large =
        Grid::cut(&card(4, 6), footing, Size::new(9000, 4000), &TileOptions { side: None, threads: 2 }).unwrap();
    assert!(large.tallest() * 9000 <= 3 * BAND_PIXELS, "what a band makes has to be held: {large:?}");
}
