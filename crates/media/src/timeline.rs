//! How a publisher's wire clock becomes the show's one timeline.
