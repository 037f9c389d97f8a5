//! What runs where the camera is: batches of pictures, streams of frames, videos, and live pictures.

pub mod board;
pub mod clock;
pub mod convert;
pub mod desk;
pub mod hud;
pub mod live;
pub mod shot;
pub mod sink;
pub mod source;
pub mod stream;
pub mod tree;
pub mod unpack;
pub mod video;
